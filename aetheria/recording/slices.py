"""Slices of recorded fields: as text, and cut from values on the host."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.observe.request import AXIS_NAMES, Cut


def slice_text(cuts: Mapping[str, Cut]) -> str:
    """A slice as text.

    >>> slice_text({"z": 16, "y": "mean"})
    'z=16,y=mean'
    """
    return ",".join(f"{axis}={cuts[axis]}" for axis in AXIS_NAMES if axis in cuts)


def parse_slice(text: str) -> dict[str, Cut]:
    """The inverse of `slice_text`.

    Raises:
        ConfigError: the text is not a slice.
    """
    cuts: dict[str, Cut] = {}
    for part in text.split(","):
        axis, _, cut = (word.strip() for word in part.partition("="))
        if axis not in AXIS_NAMES or axis in cuts or not re.fullmatch("[0-9]{1,9}|mean|max", cut):
            raise ConfigError(f'slice: "{text[:60]}" given; expected axis=index, axis=mean or axis=max, as in "z=16"')
        cuts[axis] = int(cut) if cut.isdecimal() else cast(Literal["mean", "max"], cut)
    return cuts


def cut_axes(values: NDArray[Any], axes: Sequence[str], cuts: Mapping[str, Cut], cyclic: bool = False) -> NDArray[Any]:
    """Cuts axes away from values of a field.

    Args:
        values: `(..., *axes)`.
        axes: names of the last axes.
        cuts: for each axis to cut away an index, "mean" or "max".
        cyclic: the values are angles; their mean is that of unit vectors.
    """
    left = list(axes)
    # As the motor does it: indices first, then the rest in the order of the axes.
    for axis in sorted((axis for axis in axes if axis in cuts), key=lambda axis: not isinstance(cuts[axis], int)):
        along, cut = left.index(axis) - len(left), cuts[axis]
        left.remove(axis)
        if isinstance(cut, int):
            values = np.moveaxis(values, along, 0)[cut]
        elif cut == "max":
            values = values.max(along)
        else:
            values = _mean(values, along, cyclic)
    return values


def _mean(values: NDArray[Any], along: int, cyclic: bool) -> NDArray[Any]:
    dtype = np.result_type(values.dtype, np.float32)
    if cyclic:
        return np.asarray(np.arctan2(np.sin(values).mean(along, dtype), np.cos(values).mean(along, dtype)))
    return np.asarray(values.mean(along, dtype))
