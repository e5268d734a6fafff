"""Renders fields on the device: cut to a part, averaged down to a size, quantised to a type."""

from dataclasses import replace

import torch
from torch import Tensor

from aetheria.core.cpu_threads import one_thread
from aetheria.observe.downsample import downsample, finite, quantise, sample
from aetheria.observe.fields import Field, View
from aetheria.observe.request import Request

_ALONE = 1 << 22  # cells up to which fields are computed in the calling thread alone, in some milliseconds


def render(view: View, request: Request) -> dict[str, Tensor]:
    """The fields of a request, by name, on the device; they may share memory with the cells."""
    alone = view.cells.shape[-2] * view.cells.shape[-1] * len(view.cells) <= _ALONE
    with torch.inference_mode(), one_thread(alone and not view.cells.is_cuda):
        shown = {f.name: _part(f, view, request) for f in request.fields}
        rendered = {f.name: _pixels(f, shown[f.name], request) for f in request.fields}
        if request.finite:
            rendered["finite"] = torch.stack([finite(values) for values in shown.values()]).all()[None]
        return rendered


def _part(wanted: Field, view: View, request: Request) -> Tensor:
    """The part of a field that is shown, reduced to its size."""
    if wanted.scalar:
        return _cut(wanted(view), request.universe)
    nearest = request.reduction == "nearest"
    if wanted.local:  # what is not shown need not be computed
        cells = _cut(view.cells, request.universe, request.region)
        values = wanted(replace(view, cells=sample(cells, request.size) if nearest else cells))
    else:
        values = _cut(wanted(view), request.universe, request.region)
        values = sample(values, request.size) if nearest else values
    return values if nearest else downsample(values, request.size, wanted.cyclic)


def _cut(values: Tensor, universe: int | None, region: tuple[int, ...] | None = None) -> Tensor:
    if universe is not None:
        values = values[universe : universe + 1]
    if region is None:
        return values
    top, left, height, width = region
    return values[..., top : top + height, left : left + width]


def _pixels(wanted: Field, values: Tensor, request: Request) -> Tensor:
    if wanted.scalar:
        return values
    if request.dtype == "uint8":
        return quantise(values, request.levels[wanted.name])
    return values.to(torch.float16 if request.dtype == "float16" else torch.float32)
