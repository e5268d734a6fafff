"""Between a motor's state and its fields: what may be asked of a law, and the view that answers."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from aetheria.device import size_of
from aetheria.errors import ConfigError
from aetheria.fields import View, get_field
from aetheria.laws.base import Traits
from aetheria.optimizer import PixelType, Request
from aetheria.stepping import State


def request_for(
    traits: Traits,
    names: Sequence[str],
    size: int | tuple[int, int] | None = None,
    dtype: PixelType = "float32",
    levels: Mapping[str, tuple[float, float]] | None = None,
) -> Request:
    """A checked request for fields of a law; arguments as for `Aetheria_Motor.subscribe`.

    Raises:
        ConfigError: an unknown field, or an argument outside its range.
    """
    if isinstance(names, str):
        raise ConfigError(f'fields: "{names}" given; expected a list of names, as in ["{names}"]')
    fields = tuple(get_field(name, traits.d_state, traits.channels, traits.fields) for name in names)
    return Request.checked(fields, None if size is None else size_of(size), dtype, levels or {})


def view_of(law: nn.Module, traits: Traits, state: State) -> View:
    """The view of a state that fields are computed from; the law is evaluated only for a field that shows its change."""
    cells, *memory = state

    def change() -> Tensor:
        if traits.change is not None:
            return traits.change(cells, *memory)
        out = law(cells, *memory)
        return (out if isinstance(out, Tensor) else out[0]) - cells

    return View(cells, traits.d_state, traits.boundary, traits.alive, change)
