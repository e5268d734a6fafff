"""A training step of laws whose cells fire at random: only cells that fire, and could live, are computed.

What the law itself computes at every cell and then throws away is never computed here: half of it at the usual fire rate,
nearly all of it while a pattern is small. Cells, gradients and masks are the law's own, to rounding.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws.base import Boundary, Law
from aetheria.laws.cell_network import CellNetwork, Filters
from aetheria.laws.chance import fires
from aetheria.laws.layers import pad

Rows = tuple[tuple[float, ...], ...]
Step = Callable[..., Any]  # (cells, *memory) -> what the law gives
_ROWS = 1024  # cells at a time on a CPU: their hidden values stay in its cache, where products are twice as fast


def training_step(law: nn.Module) -> Step:
    """The fastest step with the law's values and gradients: the law itself, or only its firing cells."""
    network = law.cell_network() if isinstance(law, Law) else None
    # On a GPU the whole grid is one launch, and picking cells costs the CPU a look at how many there are.
    on_cpu = all(parameter.device.type == "cpu" for parameter in law.parameters())
    return FiringStep(law) if on_cpu and isinstance(law, Law) and _picks(network) else law


def _picks(network: CellNetwork | None) -> bool:
    """Whether this form is what `FiringStep` steps."""
    return (
        network is not None
        and network.fire_rate is not None
        and network.normalise == "none"
        and network.decay == 0
        and network.boundary != "reflect"
        and network.layers[-1].activation == "none"
        and all(layer.scale is None and layer.bias is not None for layer in network.layers)
    )


class FiringStep:
    """`forward(cells, seed, step)` of a law in `CellNetwork` form with a fire rate, at the cells that fire."""

    def __init__(self, law: Law) -> None:
        self._law = law

    def __call__(self, cells: Tensor, seed: Tensor, step: Tensor) -> tuple[Tensor, ...]:
        network = self._law.cell_network()
        assert network is not None
        assert network.fire_rate is not None
        height, width = cells.shape[-2:]
        chosen, before = fires(seed, step, height, width, network.fire_rate), None
        if network.alive:
            before = living(cells, network)
            # A cell that is dead before may still open its neighbours' eyes: those next to the living count.
            chosen = chosen & (_widest(before.to(cells.dtype), network.boundary)[:, 0] > 0)
        seen = _apply(_Perceive, cells, chosen, network.filters, network.boundary)
        tensors = [tensor for layer in network.layers for tensor in (layer.weight, layer.bias)]
        delta = _apply(_Dense, seen, [layer.activation for layer in network.layers], *tensors)
        return _apply(_Update, cells, delta, chosen.flatten().nonzero()[:, 0], before, network), seed, step + 1


def _apply(function: type[torch.autograd.Function], *given: Any) -> Tensor:
    return function.apply(*given)  # type: ignore[no-untyped-call]  # by torch's stubs


def living(cells: Tensor, network: CellNetwork) -> Tensor:
    """`(B, 1, H, W)` bool: some cell of the 3x3 neighbourhood is above the threshold."""
    assert network.alive is not None
    channel, threshold = network.alive
    return _widest(cells[:, channel : channel + 1].detach().contiguous(), network.boundary) > threshold


def _widest(values: Tensor, boundary: Boundary) -> Tensor:
    """The largest value of each 3x3 neighbourhood: by rows, then by columns, which takes a third of what pooling does."""
    halo = pad(values, 1, boundary)
    rows = torch.maximum(torch.maximum(halo[:, :, :-2], halo[:, :, 1:-1]), halo[:, :, 2:])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


class _Perceive(torch.autograd.Function):
    """3x3 filters at chosen cells: `(B, C, H, W)`, `(B, H, W)` bool -> `(N, F C)`, filter by filter.

    A universe at a time, which stays in a CPU's cache from one tap to the next.
    """

    @staticmethod
    def forward(ctx: Any, cells: Tensor, chosen: Tensor, filters: Filters, boundary: Boundary) -> Tensor:
        channels = cells.shape[1]
        ctx.save_for_backward(chosen)
        ctx.filters, ctx.boundary = filters, boundary
        rows = [universe.nonzero()[:, 0] for universe in chosen.flatten(1)]
        out = cells.new_empty(sum(map(len, rows)), len(filters) * channels)
        halo = pad(cells, 1, boundary).permute(0, 2, 3, 1)
        for universe, picked, into in zip(halo, rows, torch.split(out, [len(r) for r in rows]), strict=True):
            seen = [_filtered(universe, _taps(f)).view(-1, channels).index_select(0, picked) for f in filters]
            torch.cat(seen, 1, out=into)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (chosen,) = ctx.saved_tensors
        batch, height, width = chosen.shape
        count, channels = len(grads[0]), grads[0].shape[1] // len(ctx.filters)
        # Filter by filter, and a last row of zeros, for the cells that were not chosen.
        parts = grads[0].new_zeros(len(ctx.filters), count + 1, channels)
        parts[:, :count] = grads[0].view(count, len(ctx.filters), channels).transpose(0, 1)
        number = chosen.flatten().cumsum(0).view_as(chosen) - 1
        sources = _padded(torch.where(chosen, number, count), ctx.boundary, count)
        out = grads[0].new_empty(batch, height, width, channels)
        for into, source in zip(out, sources, strict=True):
            # What a cell gave to a neighbour comes back from it: the filter, turned by half a turn.
            halos = (part.index_select(0, source.flatten()).view(*source.shape, channels) for part in parts)
            turned = [[(2 - y, 2 - x, weight) for y, x, weight in _taps(f)] for f in ctx.filters]
            into.copy_(sum(_filtered(halo, taps) for halo, taps in zip(halos, turned, strict=True)))
        return out.permute(0, 3, 1, 2), None, None, None


def _padded(numbers: Tensor, boundary: Boundary, beyond: int) -> Tensor:
    """`(B, H, W)` whole numbers with a halo of one cell: the other side's, or `beyond`."""
    if boundary == "periodic":
        return pad(numbers[:, None], 1, boundary)[:, 0]
    return F.pad(numbers, (1, 1, 1, 1), value=beyond)


def _filtered(halo: Tensor, taps: list[tuple[int, int, float]]) -> Tensor:
    """The sum of the taps of one filter over `(H + 2, W + 2, C)`: `(H, W, C)`."""
    height, width = halo.shape[0] - 2, halo.shape[1] - 2
    (y, x, weight), *others = taps
    total = halo[y : y + height, x : x + width] * weight
    for y, x, weight in others:
        total.add_(halo[y : y + height, x : x + width], alpha=weight)
    return total


def _taps(rows: Rows) -> list[tuple[int, int, float]]:
    """(row, column, weight) of a filter where it has one."""
    return [(y, x, weight) for y, row in enumerate(rows) for x, weight in enumerate(row) if weight]


class _Dense(torch.autograd.Function):
    """Dense layers at `(N, inputs)`, some rows at a time."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, activations: list[str], *tensors: Tensor) -> Tensor:
        ctx.activations = activations
        ctx.dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else rows.dtype
        layers = _layers(tensors, ctx.dtype)
        out = rows.new_empty(len(rows), len(tensors[-1]))
        kept: list[Tensor] = []
        for piece, into in zip(torch.split(rows, _ROWS), torch.split(out, _ROWS), strict=True):
            *values, last = _values(piece.to(ctx.dtype), layers, activations)
            into.copy_(last)
            kept += values
        ctx.save_for_backward(*tensors, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        count = 2 * len(ctx.activations)
        tensors, kept = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        layers = _layers(tensors, ctx.dtype)
        sums = [torch.zeros_like(tensor) for tensor in tensors]
        down = grads[0].new_empty(len(grads[0]), tensors[0].shape[1])
        for number, (grad, into) in enumerate(zip(torch.split(grads[0], _ROWS), torch.split(down, _ROWS), strict=True)):
            values = kept[number * len(layers) : (number + 1) * len(layers)]
            g = grad.to(ctx.dtype)
            for layer in reversed(range(len(layers))):
                if layer + 1 < len(layers):
                    g = _through(g, values[layer + 1], ctx.activations[layer])
                _add_product(sums[2 * layer], g, values[layer])
                sums[2 * layer + 1] += g.sum(0)
                g = g @ layers[layer][0]
            into.copy_(g)
        return down, None, *sums


def _layers(tensors: Any, dtype: torch.dtype) -> list[tuple[Tensor, Tensor]]:
    cast = [tensor.to(dtype) for tensor in tensors]
    return list(zip(cast[::2], cast[1::2], strict=True))


def _values(piece: Tensor, layers: list[tuple[Tensor, Tensor]], activations: list[str]) -> list[Tensor]:
    """What goes into the first layer, and what comes out of each; the last has no activation."""
    values = [piece]
    for (weight, bias), activation in zip(layers, activations, strict=True):
        out = torch.addmm(bias, values[-1], weight.t())
        values.append(out if activation == "none" else out.relu_() if activation == "relu" else F.elu_(out))
    return values


def _through(grad: Tensor, out: Tensor, activation: str) -> Tensor:
    """The gradient before an activation, from what came out of it."""
    if activation == "none":
        return grad
    if activation == "relu":
        return torch.ops.aten.threshold_backward(grad, out, 0)
    return torch.where(out > 0, grad, grad * (out + 1))


def _add_product(total: Tensor, grad: Tensor, values: Tensor) -> None:
    if total.dtype == grad.dtype:
        total.addmm_(grad.t(), values)
    else:
        total += grad.t() @ values


class _Update(torch.autograd.Function):
    """Adds what the chosen cells propose, then lets die what does not live before and after."""

    @staticmethod
    def forward(ctx: Any, cells: Tensor, delta: Tensor, rows: Tensor, before: Tensor | None, network: CellNetwork) -> Tensor:
        flat = cells.permute(0, 2, 3, 1).contiguous()
        moved = flat.view(-1, flat.shape[-1]).index_add(0, rows, delta).view_as(flat).permute(0, 3, 1, 2)
        alive = None if before is None else before & living(moved, network)
        ctx.save_for_backward(rows, *([] if alive is None else [alive]))
        return moved if alive is None else moved.mul_(alive)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, *alive = ctx.saved_tensors
        grad = grads[0] * alive[0] if alive else grads[0]
        flat = grad.permute(0, 2, 3, 1).contiguous()
        return flat.permute(0, 3, 1, 2), flat.view(-1, flat.shape[-1]).index_select(0, rows), None, None, None
