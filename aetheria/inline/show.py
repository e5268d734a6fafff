"""`motor.show()`: a live view of a motor, where anywidget is installed."""

from typing import TYPE_CHECKING

from aetheria.core.errors import ConfigError
from aetheria.core.extras import from_source
from aetheria.motor.motor import Aetheria_Motor
from aetheria.serve.protocol import read_view

if TYPE_CHECKING:
    from aetheria.inline.live_view import LiveView


def show(
    motor: Aetheria_Motor,
    field: str | None = None,
    *,
    z: int | str | None = None,
    universe: int = 0,
    size: int = 512,
    speed: float | None = 30.0,
    play: bool = False,
) -> "LiveView":
    """The live view of `motor.show`, which describes the arguments.

    Raises:
        ConfigError: anywidget is not installed, or the motor has no such picture.
    """
    try:
        from aetheria.inline.live_view import LiveView
    except ImportError:
        raise ConfigError(f"show: a live picture in a notebook needs anywidget: {from_source('notebook')}") from None
    view = read_view({"field": field, "slice": z, "universe": universe, "size": size})
    return LiveView(motor, view, speed, play)
