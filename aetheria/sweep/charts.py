"""Charts of a sweep: a heat map of a column over two parameters, and the pictures of its runs in a grid."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from aetheria.core.errors import ConfigError
from aetheria.files.untrusted import read_image
from aetheria.observe.colour_maps import colour_map, paint
from aetheria.sweep.results import ResultTable

_MOST_SIDE = 1024  # pixels of the map itself
_CELL = (6, 48)  # pixels of a side, at the least and at the most
_LEFT, _TOP, _RIGHT, _BOTTOM = 84, 34, 96, 46
_INK, _PAPER, _NONE = "#222222", "white", (225, 225, 225)
_MOST_LABELS = 9
_TILE = 96
_MOST_TILES = 32  # along a side


@dataclass(frozen=True)
class Axes:
    """Axes of a chart: the parameters along x and y, and the column."""

    x: str
    y: str
    show: str


def axes_of(table: ResultTable, wanted: dict[str, str]) -> Axes:
    """The axes of a chart: those wanted, else the first two parameters with several values, and the first observable.

    Raises:
        ConfigError: a column is unknown, or fewer than two parameters vary.
    """
    for name in wanted.values():
        table.column(name)
    varied = [name for name in (*table.parameters, "seed") if len(set(map(str, table.column(name)))) > 1]
    free = [name for name in varied if name not in wanted.values()]
    x = wanted.get("x") or (free.pop(0) if free else "")
    y = wanted.get("y") or (free.pop(0) if free else "")
    if not x or not y:
        raise ConfigError(f"[plot] {', '.join(varied) or 'nothing'} varies; a heat map needs two parameters")
    show = wanted.get("show") or next((name for name in table.observed), "")
    if not show:
        raise ConfigError("[plot] show: no point has an observable yet")
    return Axes(x, y, show)


def heat_map(table: ResultTable, axes: Axes) -> Image.Image:
    """The column over two parameters as colours, x to the right and y upwards; grey where there is no number.

    Several points at a place (seeds, other parameters) are shown by their mean.
    """
    xs, ys, values = table.grid(axes.x, axes.y, axes.show)
    side = int(np.clip(_MOST_SIDE / max(len(xs), len(ys)), *_CELL))
    levels = _levels(values)
    colours = paint(np.nan_to_num(values), levels, "ember")
    colours[np.isnan(values)] = _NONE
    height, width = side * len(ys), side * len(xs)
    image = Image.new("RGB", (_LEFT + width + _RIGHT, _TOP + max(height, 60) + _BOTTOM), _PAPER)
    image.paste(Image.fromarray(colours[::-1].repeat(side, 0).repeat(side, 1)), (_LEFT, _TOP))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    pen.text((_LEFT, 8), axes.show, fill=_INK, font=font)
    for place, text in _labels(xs, width, 56):
        pen.text((_LEFT + place, _TOP + height + 6), text, fill=_INK, font=font, anchor="ma")
    pen.text((_LEFT + width / 2, _TOP + height + 26), axes.x, fill=_INK, font=font, anchor="ma")
    for place, text in _labels(ys, height, 18):
        pen.text((_LEFT - 6, _TOP + height - place), text, fill=_INK, font=font, anchor="rm")
    pen.text((4, _TOP - 20), axes.y, fill=_INK, font=font)
    _legend(image, pen, font, levels, (_LEFT + width + 16, _TOP), max(height, 60))
    return image


def contact_sheet(table: ResultTable, axes: Axes) -> Image.Image:
    """The pictures of runs at their place over two parameters; of several at one place the first.

    Raises:
        ConfigError: no run has a picture.
    """
    if not any(row.get("picture") for row in table):
        raise ConfigError("pictures: no run of this sweep has one; set pictures = true")
    right, up = (_places(table, name) for name in (axes.x, axes.y))
    names: dict[tuple[int, int], str] = {}
    for row, x, y in zip(table, table.column(axes.x), table.column(axes.y), strict=True):
        if row.get("picture"):
            names.setdefault((right[str(x)], up[str(y)]), row["picture"])
    return tiles(Chart([*right], [*up], axes), names, table.folder)


@dataclass(frozen=True)
class Chart:
    """A grid of pictures.

    Attributes:
        right, up: the values along the axes.
        axes: their names.
    """

    right: list[Any]
    up: list[Any]
    axes: Axes


def tiles(chart: Chart, names: dict[tuple[int, int], str], folder: Path) -> Image.Image:
    """Pictures side by side, x to the right and y upwards; empty where there is none.

    Args:
        chart: the grid.
        names: of the files, by place (right, up).
        folder: that they are in.
    """
    side = _TILE + 2
    width, height = (min(len(values), _MOST_TILES) * side for values in (chart.right, chart.up))
    sheet = Image.new("RGB", (_LEFT + width, _TOP + height + _BOTTOM), _PAPER)
    for (right, up), name in names.items():
        if max(right, up) < _MOST_TILES:
            tile = read_image(_inside(folder, name)).convert("RGB").resize((_TILE, _TILE))
            sheet.paste(tile, (_LEFT + right * side, _TOP + height - (up + 1) * side))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    pen.text((4, 8), f"{chart.axes.y} upwards, {chart.axes.x} to the right", fill=_INK, font=font)
    for number, value in enumerate(chart.right[:_MOST_TILES]):
        pen.text((_LEFT + (number + 0.5) * side, _TOP + height + 6), _short(value), fill=_INK, font=font, anchor="ma")
    for number, value in enumerate(chart.up[:_MOST_TILES]):
        pen.text((_LEFT - 6, _TOP + height - (number + 0.5) * side), _short(value), fill=_INK, font=font, anchor="rm")
    return sheet


def _places(table: ResultTable, name: str) -> dict[str, int]:
    values, _, _ = table.grid(name, name, name)
    return {str(value): number for number, value in enumerate(values)}


def _inside(folder: Path, name: str) -> Path:
    """A file of the sweep's folder; a table from elsewhere cannot name any other."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ConfigError(f"{name}: lies outside of the sweep's folder {folder}")
    return path


def _levels(values: NDArray[np.float64]) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def _labels(values: list[Any], length: int, apart: int) -> list[tuple[float, str]]:
    """Places along an axis, and texts: of as many values as there is room for."""
    stride = max(1, math.ceil(len(values) / max(1, min(_MOST_LABELS, length // apart))))
    return [((i + 0.5) * length / len(values), _short(values[i])) for i in range(0, len(values), stride)]


def _short(value: Any) -> str:
    text = f"{value:.5g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 12 else f"{text[:11]}…"


def _legend(
    image: Image.Image, pen: ImageDraw.ImageDraw, font: Any, levels: tuple[float, float], at: tuple[int, int], height: int
) -> None:
    bar = colour_map("ember")[np.linspace(255, 0, height).astype(int)][:, None].repeat(14, 1)
    image.paste(Image.fromarray(bar), at)
    for share, level in ((0.0, levels[1]), (0.5, sum(levels) / 2), (1.0, levels[0])):
        pen.text((at[0] + 20, at[1] + share * height), f"{level:.4g}", fill=_INK, font=font, anchor="lm")
