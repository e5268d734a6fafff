"""A source of pictures: a motor or a recording, as the server and the terminal know it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from aetheria.core.errors import ConfigError, nearest
from aetheria.observe.colour_maps import COLOUR_MAPS, colour_map
from aetheria.serve.budget import Budget
from aetheria.serve.protocol import Picture, View

LOOKING = ("read", "amplitude", "edits")  # commands that change nothing


@dataclass(frozen=True)
class FieldInfo:
    """A field with a picture, for a list of choices.

    Attributes:
        name, meaning, unit, colour_map: of the field.
        low, high: ends of its range; None where they are open.
        cyclic: it is an angle.
    """

    name: str
    meaning: str
    unit: str
    colour_map: str
    low: float | None = None
    high: float | None = None
    cyclic: bool = False


@dataclass(frozen=True)
class ControlInfo:
    """A parameter of the law that may be changed while it runs.

    Attributes:
        name, meaning: in words.
        low, high: ends of a slider; None for a text.
    """

    name: str
    meaning: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CellInfo:
    """The properties of a law that tools need which change cells; see `Law`.

    Attributes:
        boundary: what lies beyond the edges.
        value_range: ends of the values of a cell; None where they are open.
        live, rest: the channels of a live cell, and of a cell at rest.
        rule: in the notation of pattern files; changes with the parameter "rule", where the law has one.
        palette: colour (red, green, blue) of each state; None for a colour map.
    """

    boundary: str
    value_range: tuple[float | None, float | None]
    live: tuple[float, ...]
    rest: tuple[float, ...]
    rule: str
    palette: tuple[tuple[int, int, int], ...] | None


@dataclass(frozen=True)
class SourceInfo:
    """A run, as its readers are told of it when they come.

    Attributes:
        title: of the run.
        law: name of the law.
        grid: cells along each axis.
        universes: their number.
        fields: with pictures, the default first.
        observables: names.
        kind: "run" or "recording".
        commands: that the source obeys.
        controls: parameters of the law; their values are in the status.
        channels: of a cell.
        states: number of whole states of a cell; None for real values.
        d_state: number of complex amplitudes of a cell; None for real cells.
        dt: time per step, in the law's own units.
        cells: what tools that change cells need to know of the law; None for a recording.
    """

    title: str
    law: str
    grid: tuple[int, ...]
    universes: int
    fields: tuple[FieldInfo, ...]
    observables: tuple[str, ...]
    kind: str
    commands: tuple[str, ...]
    controls: tuple[ControlInfo, ...] = ()
    channels: int = 1
    states: int | None = None
    d_state: int | None = None
    cells: CellInfo | None = None
    dt: float = 1.0

    def as_values(self) -> dict[str, Any]:
        """The values of a JSON message, with the colours of each colour map as hexadecimal text."""
        maps = {name: colour_map(name).tobytes().hex() for name in {*COLOUR_MAPS, *(f.colour_map for f in self.fields)}}
        return {**asdict(self), "colour_maps": maps}

    def field(self, name: str | None) -> FieldInfo:
        """A field by name; the first for None. Raises ConfigError when there is none."""
        for field in self.fields:
            if name in (None, field.name):
                return field
        raise ConfigError(f'view field: "{name}" given; {nearest(str(name), [field.name for field in self.fields])}')

    def check(self, view: View) -> None:
        """Raises ConfigError for a field, observable, universe or slice that the run does not have."""
        self.field(view.field)
        for name in view.observables:
            if name not in self.observables:
                raise ConfigError(f'view observables: "{name}" given; {nearest(name, list(self.observables))}')
        if view.universe >= self.universes:
            raise ConfigError(f"view universe: {view.universe} given; expected 0 to {self.universes - 1}")


class Source(Protocol):
    """A motor or a recording. Methods may be called from any thread.

    Attributes:
        budget: what pictures and messages to readers may cost; a view has a part of it.
    """

    budget: Budget

    @property
    def info(self) -> SourceInfo:
        """The run, in words."""

    @property
    def waits(self) -> bool:
        """Whether the run waits for a reader, so that readers cost it nothing."""

    def pictures(self, view: View, closed: Callable[[], bool], budget: Budget) -> Iterator[Picture | None]:
        """The newest pictures of a view, as its part of the budget allows, and None while there is no new one.

        Ends when `closed` says so, or with the run. Each picture is made when the iterator is asked for it.

        Raises:
            ConfigError: a view that the run does not have.
        """

    def status(self) -> Mapping[str, Any]:
        """Step, and whether the run is paused and at which speed."""

    def obey(self, command: str, values: Mapping[str, Any]) -> bytes | str | None:
        """Does one of `info.commands`; returns an answer for the reader that asked, if there is one.

        Raises:
            AetheriaError: values that it cannot take.
        """

    def close(self) -> None:
        """Lets go of the run; pictures end."""
