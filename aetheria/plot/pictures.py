"""Plots of fields over the grid: pictures, film strips, contact sheets and space-time diagrams."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from aetheria.core.errors import ConfigError
from aetheria.observe.colour_maps import colour_map as colours_of
from aetheria.plot.sources import Runs, Source, label, pyplot, spatial_field
from aetheria.recording import Recording

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Levels = tuple[float, float]
_MAX_STATES = 12  # that a colour bar names one by one
_INCHES = 2.0  # side of a picture among several


def picture(
    source: Source,
    field: str | None = None,
    frame: int = -1,
    *,
    universe: int = 0,
    colours: str | None = None,
    levels: Levels | None = None,
    ax: "Axes | None" = None,
    **cut: int | str,
) -> "Axes":
    """One frame of a field, with a colour bar and its unit; of a 1-D grid a line.

    Args:
        source: a dataset, a recording or its path, or a motor.
        field: its name; None for the first one, of a motor the law's default field.
        frame: index of the frame, from the last one where negative.
        universe: of the batch.
        colours: a colour map of Aetheria or matplotlib; None for the field's own.
        levels: values at its ends; None for the lowest and highest value shown.
        ax: axes to draw into; None for a new figure.
        cut: what is shown of a 3-D grid: `z=16`, or `z="mean"`, `z="max"`.

    Raises:
        ConfigError: no such field, frame, universe, axis or colour map, a 3-D grid without a cut, or matplotlib is missing.
    """
    array = spatial_field(source, field, universe, **cut)
    one = _frame(array, frame)
    ax = pyplot().subplots()[1] if ax is None else ax
    ax.set_title(_title(array, frame))
    if one.ndim == 1:
        ax.plot(one["x"], one)
        ax.set(xlabel="x (cells)", ylabel=label(array))
        return ax
    image = _show(ax, one, colours, levels)
    if "colour" not in one.dims:
        bar = ax.figure.colorbar(image, ax=ax, label=label(array))
        _name_states(bar, one)
    return ax


def filmstrip(
    source: Source,
    field: str | None = None,
    frames: int | Sequence[int] = 8,
    *,
    columns: int = 4,
    universe: int = 0,
    colours: str | None = None,
    levels: Levels | None = None,
    **cut: int | str,
) -> "Figure":
    """Several frames of a field side by side, in the same colours.

    Args:
        frames: their number, evenly spaced from the first to the last one; or their indices.
        columns: pictures in a row.

    Other arguments and errors are those of `picture`.
    """
    array = spatial_field(source, field, universe, **cut)
    count = array.sizes["time"]
    chosen = np.unique(np.linspace(0, count - 1, min(frames, count)).round().astype(int)) if isinstance(frames, int) else frames
    shown = [(_frame(array, int(index)), _title(array, int(index))) for index in chosen]
    return _sheet(shown, columns, colours, levels)


def contact_sheet(
    sources: Source | Mapping[str, Source] | Runs,
    field: str | None = None,
    frame: int = -1,
    *,
    columns: int = 4,
    colours: str | None = None,
    levels: Levels | None = None,
    **cut: int | str,
) -> "Figure":
    """One frame of several runs, by their titles, of the runs of a sweep, or of every universe of one run.

    Args:
        sources: a source, a dictionary of them, or the table of a sweep with recordings.

    Other arguments and errors are those of `picture`.
    """
    named = sources.recordings() if isinstance(sources, Runs) else sources
    if isinstance(named, dict):
        shown = [(_loaded_frame(one, field, frame, cut), title) for title, one in named.items()]
    else:
        array = _frame(spatial_field(cast("Source", named), field, None, **cut), frame)
        count = array.sizes.get("universe", 1)
        shown = [(array.isel(universe=u) if "universe" in array.dims else array, f"universe {u}") for u in range(count)]
    return _sheet(shown, columns, colours, levels)


def space_time(
    source: Source,
    field: str | None = None,
    *,
    universe: int = 0,
    colours: str | None = None,
    levels: Levels | None = None,
    ax: "Axes | None" = None,
    **cut: int | str,
) -> "Axes":
    """A field of one axis over time: time runs down, as in Wolfram's pictures.

    Args:
        cut: of a grid with more axes, the line that is shown: `y=32`, or `y="mean"`; in three dimensions `z` too.

    Other arguments and errors are those of `picture`.
    """
    array = spatial_field(source, field, universe, **cut)
    if array.ndim != 2:
        raise ConfigError(f'space_time: "{array.name}" has the axes {", ".join(map(str, array.dims))}; cut all but one, as y=0')
    axis = str(array.dims[1])
    ax = pyplot().subplots()[1] if ax is None else ax
    image = _show(ax, array, colours, levels, extent=(*_ends(array[axis]), *_ends(array["time"])[::-1]))
    ax.set(xlabel=f"{axis} (cells)", ylabel="time", aspect="auto")
    _name_states(ax.figure.colorbar(image, ax=ax, label=label(array)), array)
    return ax


def _loaded_frame(source: Source, field: str | None, frame: int, cut: Mapping[str, int | str]) -> "xarray.DataArray":
    """A frame in memory; a file is closed again, as there may be more of them than files that can be open."""
    if not isinstance(source, str | Path):
        return _frame(spatial_field(source, field, 0, **cut), frame)
    with Recording(source) as recording:
        return _frame(spatial_field(recording, field, 0, **cut), frame).load()


def _frame(array: "xarray.DataArray", index: int) -> "xarray.DataArray":
    count = array.sizes["time"]
    if not -count <= index < count:
        raise ConfigError(f"frame: {index} given; expected {-count} to {count - 1}")
    one = array.isel(time=index)
    flat = [str(axis) for axis in one.dims if axis not in ("universe", "colour")]
    if len(flat) == 3:
        raise ConfigError(f'"{array.name}": a grid of three axes; cut one, as z={array.sizes["z"] // 2}, or z="mean"')
    return one


def _title(array: "xarray.DataArray", index: int) -> str:
    if "step" in array.coords:
        return f"step {int(array['step'].values[index]):,}"
    return f"time {float(array['time'].values[index]):g}"


def _sheet(shown: list[tuple["xarray.DataArray", str]], columns: int, colours: str | None, levels: Levels | None) -> "Figure":
    if not shown or columns < 1:
        raise ConfigError("plot: nothing to show; expected one picture and one column at least")
    levels = levels or _levels([one for one, _ in shown])
    columns = min(columns, len(shown))
    rows = math.ceil(len(shown) / columns)
    size = (columns * _INCHES, rows * (_INCHES + 0.3))
    figure, axes = pyplot().subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.axis("off")
    for ax, (one, title) in zip(axes.flat, shown, strict=False):
        if one.ndim == 1:
            raise ConfigError(f'"{one.name}": a grid of one axis; expected two, or plot.space_time')
        image = _show(ax, one, colours, levels)
        ax.set_title(title, fontsize="small")
    if "colour" not in shown[0][0].dims:
        _name_states(figure.colorbar(image, ax=axes, label=label(shown[0][0]), shrink=0.8), shown[0][0])
    return figure


def _show(ax: "Axes", array: "xarray.DataArray", colours: str | None, levels: Levels | None, **more: Any) -> Any:
    if "colour" in array.dims:
        return ax.imshow(np.clip(array.values, 0, 1), interpolation="nearest")
    chosen = colours or str(array.attrs.get("colour_map", "ember"))
    low, high = levels or _levels([array]) or (0.0, 1.0)
    return ax.imshow(array.values, cmap=_map(chosen), vmin=low, vmax=high, interpolation="nearest", **more)


def _map(name: str) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    if name in colormaps:
        return colormaps[name]
    return ListedColormap(colours_of(name) / 255.0, name[:40])


def _levels(arrays: Sequence["xarray.DataArray"]) -> Levels | None:
    """The range of a phase or of states, which have one; else the lowest and highest finite value."""
    attributes = arrays[0].attrs
    if _states(arrays[0]) or attributes.get("units") == "rad":
        return float(attributes["valid_min"]), float(attributes["valid_max"])
    finite = [values[np.isfinite(values)] for values in (array.values for array in arrays)]
    finite = [values for values in finite if values.size]
    if not finite:
        return None
    low, high = float(min(map(np.min, finite))), float(max(map(np.max, finite)))
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
    return low, high if high > low else low + 1


def _states(array: "xarray.DataArray") -> int:
    """The number of states of a field that names them by colours; 0 for another one."""
    chosen = str(array.attrs.get("colour_map", ""))
    return len(chosen.split()) if chosen.startswith("#") and {"valid_min", "valid_max"} <= array.attrs.keys() else 0


def _name_states(bar: Any, array: "xarray.DataArray") -> None:
    if 0 < _states(array) <= _MAX_STATES:
        bar.set_ticks(range(_states(array)))


def _ends(axis: "xarray.DataArray") -> tuple[float, float]:
    values = axis.values
    half = float(values[1] - values[0]) / 2 if len(values) > 1 else 0.5
    return float(values[0]) - half, float(values[-1]) + half
