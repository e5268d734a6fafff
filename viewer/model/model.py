"""State of the viewer: view, speed, tool and theme. No Qt, no motor."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from viewer.model.brush_settings import BrushSettings
from viewer.model.region import Region
from viewer.model.view_settings import ViewSettings

Theme = Literal["dark", "light"]
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0)  # updates/s; the next higher setting is unlimited


@dataclass
class ViewerModel:
    """State of the viewer. Change it through `set`, which tells the listeners the names of the changed attributes.

    Attributes:
        view_settings: the displayed field, its colours and levels; None until a source is open.
        region: the visible cells. size: (height, width) of their area on the screen, in pixels.
        speed: updates per second, None for unlimited. stride: steps (of a recording: frames) per update.
        follow: keep the centre of mass in the middle of the view.
        loop: a recording starts again after its last frame. newest: it stays at the newest frame of a growing file.
        pinned: (y, x) of the cell that the inspector is fixed to.
        selection: the selected cells, in rows and columns of the plane's present cells; None for none.
        grid_lines: draw lines between large cells.
        tool: action of the left mouse button: "pan", "select", "paste" or the name of a brush. brush: its settings.
    """

    view_settings: ViewSettings | None = None
    region: Region | None = None
    size: tuple[int, int] = (512, 512)
    speed: float | None = 60.0
    stride: int = 1
    follow: bool = False
    loop: bool = False
    newest: bool = False
    pinned: tuple[int, int] | None = None
    selection: Region | None = None
    grid_lines: bool = True
    theme: Theme = "dark"
    tool: str = "pan"
    brush: BrushSettings = field(default_factory=BrushSettings)
    listeners: list[Callable[[frozenset[str]], None]] = field(default_factory=list, repr=False)

    def set(self, **changes: Any) -> None:
        """Changes attributes, and tells the listeners if any value differs."""
        changed = frozenset(name for name, value in changes.items() if getattr(self, name) != value)
        for name in changed:
            setattr(self, name, changes[name])
        if changed:
            for listener in list(self.listeners):
                listener(changed)

    def change_view(self, **changes: Any) -> None:
        """Changes parts of the view settings."""
        if self.view_settings is not None:
            self.set(view_settings=replace(self.view_settings, **changes))

    def change_brush(self, **changes: Any) -> None:
        """Changes the brush settings."""
        self.set(brush=replace(self.brush, **changes))
