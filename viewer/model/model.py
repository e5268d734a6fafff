"""The state of the viewer: view, speed, tool and theme. No Qt, no motor."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from viewer.model.brush_settings import BrushSettings
from viewer.model.region import Region
from viewer.model.view_settings import ViewSettings

Theme = Literal["dark", "light"]
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0)  # beats a second; beyond the last: unlimited


@dataclass
class ViewerModel:
    """The viewer's own state. Change it by `set`; whoever listens is told which attributes changed.

    Attributes:
        view_settings: the displayed field and its colours. None until something is open.
        region: the cells in view; size: the pixels there are for them.
        speed: beats a second, None for as fast as it goes. stride: steps a beat.
        follow: keep the centre of mass in the middle.
        loop: a recording begins again after its last frame. newest: it stays at the newest frame of a file that grows.
        pinned: (y, x) of the cell that the inspector stays at.
        grid_lines: draw them where cells are large enough.
        tool: what the left mouse button does: "pan" or the name of a brush. brush: how that paints.
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
    grid_lines: bool = True
    theme: Theme = "dark"
    tool: str = "pan"
    brush: BrushSettings = field(default_factory=BrushSettings)
    listeners: list[Callable[[frozenset[str]], None]] = field(default_factory=list, repr=False)

    def set(self, **changes: Any) -> None:
        """Changes attributes and tells the listeners, if anything did change."""
        changed = frozenset(name for name, value in changes.items() if getattr(self, name) != value)
        for name in changed:
            setattr(self, name, changes[name])
        if changed:
            for listener in list(self.listeners):
                listener(changed)

    def change_view(self, **changes: Any) -> None:
        """Changes parts of the look."""
        if self.view_settings is not None:
            self.set(view_settings=replace(self.view_settings, **changes))

    def change_brush(self, **changes: Any) -> None:
        """Changes how the brush paints."""
        self.set(brush=replace(self.brush, **changes))
