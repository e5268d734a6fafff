"""Renders fields on the device: cut to a part, reduced to a size, quantised to a type."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from aetheria.core.cpu_threads import one_thread
from aetheria.observe.downsample import downsample, finite, quantise, sample
from aetheria.observe.fields import Field, View
from aetheria.observe.request import AXIS_NAMES, Request

_ALONE = 1 << 22  # cells up to which fields are computed in the calling thread alone, in some milliseconds


def render(view: View, request: Request) -> dict[str, Tensor]:
    """The fields of a request, by name, on the device; they may share memory with the cells."""
    alone = math.prod(view.cells.shape[2:]) * len(view.cells) <= _ALONE
    with torch.inference_mode(), one_thread(alone and not view.cells.is_cuda):
        shown = {f.name: _part(f, view, request) for f in request.fields}
        rendered = {f.name: pixels(f, shown[f.name], request) for f in request.fields}
        if request.finite:
            rendered["finite"] = torch.stack([finite(values) for values in shown.values()]).all()[None]
        return rendered


def _part(wanted: Field, view: View, request: Request) -> Tensor:
    """The part of a field that is shown, reduced to its size."""
    if wanted.scalar:
        values = wanted(view)
        return values if request.universe is None else values[request.universe : request.universe + 1]
    nearest = request.reduction == "nearest" or wanted.categorical
    reduced = [axis for axis, cut in request.slice.items() if not isinstance(cut, int)]
    if wanted.local:  # only the part that is shown is computed
        cells = _cut(view.cells, len(view.axes), request)
        values = wanted(replace(view, cells=sample(cells, request.size) if nearest and not reduced else cells))
    else:
        values = _cut(wanted(view), len(view.axes), request)
        values = sample(values, request.size) if nearest and not reduced else values
    if reduced:
        values = _reduced(wanted, values, len(view.axes), request)
        values = sample(values, request.size) if nearest else values
    return values if nearest else downsample(values, request.size, wanted.cyclic)


def _cut(values: Tensor, rank: int, request: Request) -> Tensor:
    """The shown part of `(B, ..., *grid)`: axes sliced at an index are gone, those to be reduced are whole."""
    if request.universe is not None:
        values = values[request.universe : request.universe + 1]
    if request.region is None and not request.slice:
        return values
    shown = iter(() if request.region is None else request.region.index[1:])
    index: list[slice | int] = []
    for axis in AXIS_NAMES[-rank:]:
        cut = request.slice.get(axis)
        if cut is None:
            index.append(next(shown, slice(None)))  # type: ignore[arg-type]
        else:
            index.append(cut if isinstance(cut, int) else slice(None))
    return values[(..., *index)]


def _reduced(wanted: Field, values: Tensor, rank: int, request: Request) -> Tensor:
    """Takes the mean or the maximum along the axes that the slice names so."""
    left = [axis for axis in AXIS_NAMES[-rank:] if not isinstance(request.slice.get(axis), int)]
    for axis in [axis for axis in left if axis in request.slice]:
        dim = left.index(axis) - len(left)
        left.remove(axis)
        if request.slice[axis] == "max":
            values = values.amax(dim)
        elif wanted.cyclic:
            values = torch.atan2(values.sin().mean(dim), values.cos().mean(dim))
        else:
            values = values.mean(dim)
    return values


def pixels(wanted: Field, values: Tensor, request: Request) -> Tensor:
    """The values of a field in the type of a request."""
    if wanted.scalar:
        return values
    if request.dtype == "uint8":
        return quantise(values, request.levels[wanted.name], log=request.log)
    return values.to(torch.float16 if request.dtype == "float16" else torch.float32)
