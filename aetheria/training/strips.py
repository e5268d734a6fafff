"""Strips of pictures: rows of cells in the law's default field."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.export.pictures import find_levels, picture
from aetheria.laws.base import Law
from aetheria.observe.law_fields import field_of
from aetheria.observe.request import view_of

_LEAST_SIDE = 96  # pixels of a picture


def strip(law: Law, rows: Sequence[Tensor], field: str | None = None) -> Image.Image:
    """Rows of cells `(n, C, *grid)` as rows of pictures with common levels, those of the first row.

    Args:
        law: whose cells they are.
        field: name of the field; the law's default field when left out.
    """
    shown = field_of(law, field or law.default_field)
    values = [
        [_plane(shown(view_of(law, (cells[i : i + 1],)))[0].cpu().numpy(), shown.name) for i in range(len(cells))]
        for cells in rows
    ]
    levels = find_levels(values[0], *shown.range)
    scale = max(1, -(-_LEAST_SIDE // min(rows[0].shape[-2:] if rows[0].ndim > 3 else rows[0].shape[-1:])))
    return joined([[picture(one, shown.name, shown.colour_map, levels, scale) for one in row] for row in values])


def joined(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures of equal size in rows, with grey lines between them."""
    width, height = rows[0][0].size
    sheet = Image.new("RGB", (max(map(len, rows)) * (width + 2) - 2, len(rows) * (height + 2) - 2), "grey")
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            sheet.paste(image.convert("RGB"), (x * (width + 2), y * (height + 2)))
    return sheet


def _plane(values: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    """A field's plane: of one axis a thick line, of three axes the middle slice."""
    axes = values.ndim - (name == "rgb")
    if axes == 1:
        return np.repeat(values[..., None, :], max(1, values.shape[-1] // 8), -2)
    return values if axes == 2 else values[..., values.shape[-3] // 2, :, :]
