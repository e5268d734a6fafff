"""Sources of plots: datasets, recordings and motors, read alike."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

from aetheria.core.errors import ConfigError, nearest
from aetheria.core.extras import from_source
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording import Recording
from aetheria.recording.in_memory import FramesInMemory

if TYPE_CHECKING:
    import xarray

Source = Union["xarray.Dataset", Recording, Aetheria_Motor, str, Path]


@runtime_checkable
class Runs(Protocol):
    """Several runs, as the table of a sweep has them."""

    def recordings(self) -> dict[str, Path]:
        """The files by the titles of the runs."""


GRID = {"z", "y", "x"}
NOT_FIELDS = {"step", "wall_time", "edits_before", "frames", "status", "log"}


def pyplot() -> Any:
    """matplotlib's pyplot.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ConfigError(f"plots need matplotlib: {from_source('plot')}") from None
    return pyplot


def dataset_of(source: Source, fields: Sequence[str] | None = None) -> "xarray.Dataset":
    """The frames of a source: of a motor, those fields of its present cells, in one frame.

    Raises:
        ConfigError: it is no source, or the motor has no such field. RecordingError: it cannot be read.
    """
    if isinstance(source, str | Path):
        source = Recording(source)
    if isinstance(source, Recording):
        return source.to_xarray()
    if isinstance(source, Aetheria_Motor):
        request = source.request(fields)
        frames = FramesInMemory(source, request, 1)
        frames.add(source.look(request))
        return frames.dataset()
    if not hasattr(source, "data_vars"):
        raise ConfigError(f"plot: {type(source).__name__} given; expected a dataset, a recording, its path, or a motor")
    return source


def spatial_field(source: Source, name: str | None, universe: int | None, **cut: int | str) -> "xarray.DataArray":
    """A field over the grid: (time, [z, y,] x [, colour]), with `universe` and the axes of `cut` taken out.

    Args:
        name: of the field; None for the first one.
        universe: of the batch; None keeps the axis "universe".
        cut: an axis ("z", "y", "x") at the index of a value, or "mean" or "max" along it.

    Raises:
        ConfigError: no such field, universe, axis or index.
    """
    data = dataset_of(source, [name] if name else None)
    known = [str(each) for each, values in data.data_vars.items() if GRID & {*map(str, values.dims)}]
    if not known:
        raise ConfigError("plot: the source has no field over the grid")
    array = data[_checked(name or known[0], known)]
    if "step" in data:
        array = array.assign_coords(step=("time", data["step"].values))
    if universe is not None and "universe" in array.dims:
        array = array.isel(universe=_index(universe, array.sizes["universe"], "universe"))
    elif universe:
        raise ConfigError(f"universe: {universe} given; expected 0, the only one")
    for axis, at in cut.items():
        if axis not in array.dims:
            raise ConfigError(f'{axis}: {at!r} given; the field "{array.name}" has the axes {", ".join(map(str, array.dims))}')
        if at in ("mean", "max"):
            array = getattr(array, str(at))(axis, keep_attrs=True)
        else:
            array = array.isel({axis: _index(at, array.sizes[axis], axis)})
    return array


def observable(data: "xarray.Dataset", name: str, universe: int | None = None) -> "xarray.DataArray":
    """An observable over (time [, universe]); of one universe where that is given.

    Raises:
        ConfigError: there is no such observable or universe.
    """
    array = data[_checked(name, observables(data))]
    if universe is not None and "universe" in array.dims:
        return array.isel(universe=_index(universe, array.sizes["universe"], "universe"))
    return array


def observables(data: "xarray.Dataset") -> list[str]:
    """Names of the observables: all that changes over time, and has no axis of the grid."""
    return [
        str(name)
        for name, array in data.data_vars.items()
        if "time" in array.dims and not GRID & {*map(str, array.dims)} and name not in NOT_FIELDS
    ]


def label(array: "xarray.DataArray") -> str:
    """Name and unit, for an axis or a colour bar."""
    unit = array.attrs.get("units", "1")
    return str(array.name) + (f" ({unit})" if unit not in ("", "1") else "")


def _checked(name: str, known: list[str]) -> str:
    if name not in known:
        raise ConfigError(
            f'plot: no field "{name}"; {nearest(name, known)}' if known else f'plot: no field "{name}", nor any other'
        )
    return name


def _index(given: Any, count: int, axis: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not -count <= given < count:
        raise ConfigError(f"{axis}: {given!r} given; expected {-count} to {count - 1}")
    return given
