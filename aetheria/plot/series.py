"""Plots of observables: over time, and one against another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aetheria.core.errors import ConfigError
from aetheria.plot.sources import Source, dataset_of, label, observable, observables, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def series(
    source: Source, names: Sequence[str] | str | None = None, *, universe: int | None = None, ax: "Axes | None" = None
) -> "Axes":
    """Observables over time, a line for each, and for each universe.

    Args:
        source: a dataset, a recording or its path.
        names: of the observables; None for all.
        universe: the one that is shown; None for all.
        ax: axes to draw into; None for a new figure.

    Raises:
        ConfigError: no such observable or universe, none at all, or matplotlib is missing.
    """
    data = dataset_of(source)
    chosen = [names] if isinstance(names, str) else list(names or observables(data))
    if not chosen:
        raise ConfigError("plot.series: the source has no observables; record some, as population or mass")
    ax = pyplot().subplots()[1] if ax is None else ax
    arrays = [observable(data, name, universe) for name in chosen]
    for array in arrays:
        if "universe" in array.dims:
            for u in array["universe"].values:
                ax.plot(array["time"], array.sel(universe=u), label=f"{array.name}, universe {u}")
        else:
            ax.plot(array["time"], array, label=str(array.name))
    ax.set(xlabel="time", ylabel=label(arrays[0]) if len(arrays) == 1 else "")
    if len(ax.lines) > 1:
        ax.legend()
    return ax


def phase_portrait(source: Source, x: str, y: str, *, universe: int = 0, ax: "Axes | None" = None) -> "Axes":
    """One observable against another, from the first frame (circle) to the last (dot).

    Args:
        source: a dataset, a recording or its path.
        x, y: names of the observables.
        universe: of the batch.
        ax: axes to draw into; None for a new figure.

    Raises:
        ConfigError: no such observable or universe, or matplotlib is missing.
    """
    data = dataset_of(source)
    across, up = observable(data, x, universe), observable(data, y, universe)
    ax = pyplot().subplots()[1] if ax is None else ax
    (line,) = ax.plot(across, up, linewidth=1)
    colour = line.get_color()
    ax.plot(across[:1], up[:1], "o", color=colour, fillstyle="none")
    ax.plot(across[-1:], up[-1:], "o", color=colour)
    ax.set(xlabel=label(across), ylabel=label(up))
    return ax
