"""`simulate`: a run in one call, kept in memory as an `xarray.Dataset`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from aetheria.core.errors import ConfigError
from aetheria.core.progress import watched
from aetheria.laws import build_law, law_from_rule
from aetheria.laws.registry import knows
from aetheria.laws.rules import read_rule
from aetheria.motor.motor import Aetheria_Motor
from aetheria.motor.state import InitialCells
from aetheria.observe.frame import Frame
from aetheria.observe.request import Request
from aetheria.recording.in_memory import FramesInMemory
from aetheria.runs.short_config import DEFAULT_GRIDS

if TYPE_CHECKING:
    import xarray


def simulate(
    law: str | nn.Module,
    grid: int | Sequence[int] | None = None,
    steps: int = 100,
    *,
    fields: Sequence[str] | str | None = None,
    every: int = 1,
    initial: InitialCells = None,
    seed: int = 0,
    batch: int = 1,
    size: int | Sequence[int] | None = None,
    device: str | None = None,
    progress: bool | None = None,
    **settings: Any,
) -> "xarray.Dataset":
    """Steps a law from its initial cells, and returns the frames.

    Args:
        law: a rule ("B3/S23", "W110"), the name of a law ("Lenia"), or a module as for `Aetheria_Motor`.
        grid: (width,), (height, width) or (depth, height, width), or one number for all sides; None for the grid that the
            rule names, or 512 cells a side, 64 in three dimensions.
        steps: number of steps.
        fields: names of fields and observables; None for the law's default field.
        every: steps from one frame to the next; the first frame is that of the initial cells.
        initial: see `Aetheria_Motor`.
        seed: of random cells, of stochastic laws, and of the random weights of a law that is named.
        batch: number of independent universes.
        size: side, or a number for each axis, to average fields down to on the device.
        device: "cpu", "cuda" ...; None for CUDA if there is one.
        progress: show a progress bar; None for one where a person watches: a terminal or a notebook.
        settings: parameters of a law that is given by rule or name.

    Returns:
        A dataset as of `Recording.to_xarray`: each field over time, the universe of a batch and the axes of the grid, each
        observable over time and universe, with unit, meaning and range as attributes; "step" over time; law, seed and plan as
        attributes.

    Raises:
        ConfigError: no such rule, law, field or setting, or xarray is missing. LawError, StateError: as `Aetheria_Motor`;
        StateError: frames that do not fit into memory.
    """
    for name, value, least in (("steps", steps, 0), ("every", every, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigError(f"{name}: {value!r} given; expected a whole number, {least} or more")
    built, sides = _law(law, grid, seed, settings)
    names = [fields] if isinstance(fields, str) else fields
    cfg = {"planned_steps": steps}
    with Aetheria_Motor(built, sides, None, device, cfg, initial=initial, seed=seed, batch=batch) as motor:
        request = motor.request(names, size)
        frames = FramesInMemory(motor, request, steps // every + 1)
        for frame in watched(_stepping(motor, request, steps, every), steps // every + 1, motor.traits.name, progress):
            frames.add(frame)
        return frames.dataset()


def _stepping(motor: Aetheria_Motor, request: Request, steps: int, every: int) -> Iterator[Frame]:
    yield motor.look(request)
    for _ in range(steps // every):
        motor.step(every)
        yield motor.look(request)
    motor.step(steps % every)


def _law(law: str | nn.Module, grid: int | Sequence[int] | None, seed: int, settings: dict[str, Any]) -> tuple[nn.Module, Any]:
    if not isinstance(law, str):
        if settings:
            raise ConfigError(f"simulate: {', '.join(settings)} given; settings are for a law that is named, not for a module")
        if grid is None:
            raise ConfigError("simulate: no grid given; expected its sides, as for Aetheria_Motor")
        return law, grid
    if knows(law):
        built: Any = build_law(law, seed=seed, **settings)
        named = None
    else:
        built = law_from_rule(law, seed=seed, **settings)
        bounded = read_rule(law).grid
        named = (bounded.height, bounded.width) if bounded is not None else None
    rank = 2 if 2 in built.ranks else built.ranks[0]
    if grid is None:
        return built, named or DEFAULT_GRIDS[rank]
    return built, (grid,) * rank if isinstance(grid, int) else grid
