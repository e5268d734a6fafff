"""Thumbnails: small PNG pictures of a field, for notebooks."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.observe.colour_maps import paint
from aetheria.observe.fields import FIELDS

SIDE = 128  # pixels at the most
_STRIP = 8  # rows for a field with a single axis
_DEFAULT_MAP = "ember"


def thumbnail(values: NDArray[Any], name: str) -> bytes | None:
    """A PNG of a field of one universe, every n-th cell of it, from its lowest to its highest value.

    Args:
        values: `(*size)` with one to three axes, of three the middle layer is shown; of "rgb" `(3, *size)`.
        name: of the field.

    Returns:
        None if there is nothing to show, as for an observable.
    """
    colours = name == "rgb"
    planes = np.asarray(values) if colours else np.asarray(values)[None]
    if planes.ndim == 4:
        planes = planes[:, planes.shape[1] // 2]
    if planes.ndim == 2:
        planes = planes[:, None].repeat(_STRIP, 1)
    if planes.ndim != 3 or not planes.size or len(planes) != (3 if colours else 1):
        return None
    step = -(-max(planes.shape[1:]) // SIDE)
    planes = planes[:, ::step, ::step].astype(np.float64)
    pixels = _colours(planes, values.dtype) if colours else _painted(planes[0], name)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _colours(planes: NDArray[np.float64], stored: np.dtype[Any]) -> NDArray[np.uint8]:
    share = np.nan_to_num(planes) / (255 if stored == np.uint8 else 1)
    return np.round(np.moveaxis(np.clip(share, 0, 1), 0, -1) * 255).astype(np.uint8)


def _painted(values: NDArray[np.float64], name: str) -> NDArray[np.uint8]:
    field = FIELDS.get(name) or FIELDS.get(name.rpartition("_")[0])
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low < 0 < high:
        low, high = -max(-low, high), max(-low, high)
    if not 0 < high - low < np.inf:
        high = low + max(1.0, abs(low))
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    return paint(values, (low, high), field.colour_map if field else _DEFAULT_MAP)
