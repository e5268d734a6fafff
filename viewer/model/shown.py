"""What the viewer shows, as plain values: no Qt, no motor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Levels = tuple[float, float]
LevelMode = Literal["auto", "percentile", "locked"]
Theme = Literal["dark", "light"]
SPEEDS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 240.0)  # beats a second; beyond the last: unlimited


@dataclass(frozen=True)
class Region:
    """A block of whole cells: its top left corner, height and width."""

    top: int
    left: int
    height: int
    width: int

    def as_tuple(self) -> tuple[int, int, int, int]:
        """(top, left, height, width), as a motor's request wants it."""
        return self.top, self.left, self.height, self.width

    def shared(self, other: "Region") -> "Region | None":
        """The cells that are in both."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height = min(self.top + self.height, other.top + other.height) - top
        width = min(self.left + self.width, other.left + other.width) - left
        return Region(top, left, height, width) if height > 0 and width > 0 else None


@dataclass(frozen=True)
class FieldChoice:
    """A field that can be shown: its name, formula, unit, range (None where open), colour map, whether it is an angle."""

    name: str
    meaning: str
    unit: str
    range: tuple[float | None, float | None]
    colours: str
    cyclic: bool = False


@dataclass(frozen=True)
class Look:
    """What of the cells is shown, in which colours.

    Attributes:
        colours: a colour map; None for the field's own.
        level_mode: "auto" (lowest to highest value in sight), "percentile" (without the outermost `percentile` per cent at
            either end) or "locked" (`levels`).
    """

    field: str
    universe: int = 0
    colours: str | None = None
    level_mode: LevelMode = "auto"
    percentile: float = 1.0
    levels: Levels | None = None


@dataclass(frozen=True)
class Wanted:
    """What a source is asked for: a look at a region, in at most `size` (height, width) pixels, `rate` times a second."""

    look: Look
    region: Region
    size: tuple[int, int]
    rate: float = 60.0


@dataclass(frozen=True)
class Picture:
    """What a source answers.

    Attributes:
        step: of the cells shown.
        field, universe, region: what they show.
        pixels: uint8, `(h, w)` to go through a colour map, or `(h, w, 3)` colours.
        levels: the values that are shown as pixels 0 and 255.
        finite: whether what is shown holds no NaN or Inf; a picture that does is not worth showing.
    """

    step: int
    field: str
    universe: int
    region: Region
    pixels: NDArray[np.uint8]
    levels: Levels
    finite: bool = True


@dataclass(frozen=True)
class Cell:
    """What is known of one cell.

    Attributes:
        step: of the values.
        y, x, universe: where it is.
        channels: `(C,)` as they are stored; empty where they are not known (a recording without them).
        d_state: how many amplitudes there are, psi_k = channels[k] + i channels[d_state + k]; None for real cells.
        fields: values by name of field, three for "rgb": of a live source the field that is shown, of a recording all that
            were recorded.
    """

    step: int
    y: int
    x: int
    universe: int
    channels: NDArray[np.float64]
    d_state: int | None
    fields: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Status:
    """How the source is doing, in numbers; what it cannot know is None.

    Attributes:
        playing: steps are being taken, or frames played.
        frames: frames of a recording; None for a live source.
        plan_reason: why the law is stepped by this plan.
        dropped: frames that were due and not made, because the window was busy.
        recording: what a recorder is doing, for people; empty without one.
    """

    step: int
    playing: bool
    steps_per_s: float = 0.0
    cells_per_s: float = 0.0
    frames_per_s: float = 0.0
    dropped: int = 0
    device: str = ""
    plan: str = ""
    plan_reason: str = ""
    memory_mb: float | None = None
    bytes_per_s: float = 0.0
    recording: str = ""
    frame: int | None = None
    frames: int | None = None


@dataclass(frozen=True)
class Message:
    """Something to tell the user: what happened and what to do about it; kind says how bad it is, in words."""

    kind: Literal["note", "warning", "error"]
    text: str


@dataclass(frozen=True)
class BrushSettings:
    """How the brush in hand paints.

    Attributes:
        size: diameter in cells.
        strength: 0 to 1; how much of what was there is replaced, or for random cells of two states how many live.
        charge: of a vortex: how often the phase winds round, positive where it grows counter-clockwise.
        wavelength: of a plane wave, in cells.
        angle: of a plane wave, in degrees from the x axis upwards.
        pattern: name of the pattern that is stamped; empty for the first one.
        turns: quarter turns of the pattern, after it was mirrored.
        mirrored: left and right of the pattern are exchanged.
        everywhere: all universes are painted, not only the one that is shown.
    """

    size: int = 8
    strength: float = 1.0
    charge: int = 1
    wavelength: float = 16.0
    angle: float = 0.0
    pattern: str = ""
    turns: int = 0
    mirrored: bool = False
    everywhere: bool = False


@dataclass
class Model:
    """The viewer's own state. Change it by `set`; whoever listens is told which attributes changed.

    Attributes:
        look: what is shown. None until something is open.
        region: the cells in sight; size: the pixels there are for them.
        speed: beats a second, None for as fast as it goes. stride: steps a beat.
        follow: keep the centre of mass in the middle.
        loop: a recording begins again after its last frame. newest: it stays at the newest frame of a file that grows.
        pinned: (y, x) of the cell that the inspector stays at.
        grid_lines: draw them where cells are large enough.
        tool: what the left mouse button does: "look" (pan) or the name of a brush. brush: how that paints.
    """

    look: Look | None = None
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
    tool: str = "look"
    brush: BrushSettings = BrushSettings()
    listeners: list[Callable[[frozenset[str]], None]] = field(default_factory=list, repr=False)

    def set(self, **changes: Any) -> None:
        """Changes attributes and tells the listeners, if anything did change."""
        changed = frozenset(name for name, value in changes.items() if getattr(self, name) != value)
        for name in changed:
            setattr(self, name, changes[name])
        if changed:
            for listener in list(self.listeners):
                listener(changed)

    def relook(self, **changes: Any) -> None:
        """Changes parts of the look."""
        if self.look is not None:
            self.set(look=replace(self.look, **changes))

    def rebrush(self, **changes: Any) -> None:
        """Changes how the brush paints."""
        self.set(brush=replace(self.brush, **changes))
