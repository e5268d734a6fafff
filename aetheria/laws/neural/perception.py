"""Perception of neural cellular automata: the cell itself, gradients, the Laplacian, learned kernels."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.laws.checks import Boundary
from aetheria.laws.layers import correlate, make_conv, pad
from aetheria.laws.local_network import Filters, Steering, as_filter, every_tap, one_hot
from aetheria.laws.neural.nca_presets import Perception


class Perceives(nn.Module):
    """Mixed into laws on real cells that perceive their Moore neighbourhood with fixed and learned kernels.

    Attributes:
        perception: kinds of kernels, in the order of the inputs that they give.
        steerable: gradients are turned by the angle that channel `angle_channel` holds, in rad.
        sobel: kernels of the gradients, for each channel and axis; laplacian: for each channel.
        learned: a convolution over all channels, whose outputs go through the law's activation.
    """

    sobel: Tensor
    laplacian: Tensor
    boundary: str
    channels: int
    rank: int
    kernels: int

    def add_perception(
        self, perception: Sequence[Perception], rank: int, kernels: int, boundary: Boundary, angle_channel: int | None
    ) -> int:
        """Makes the kernels; returns the number of inputs that they give a cell's network."""
        self.perception, self.angle_channel, self.rank, self.kernels = tuple(perception), angle_channel, rank, kernels
        c = self.channels
        if "sobel" in perception:
            gradients = torch.cat([kernel.expand(c, 1, *kernel.shape) for kernel in sobel_kernels(rank)])
            self.register_buffer("sobel", gradients, persistent=False)
        if "laplacian" in perception:
            kernel = laplacian_kernel(rank)
            self.register_buffer("laplacian", kernel.expand(c, 1, *kernel.shape).clone(), persistent=False)
        if "learned" in perception:
            self.learned = make_conv(rank, c, kernels, 3, boundary)
        return sum(map(self._inputs, perception))

    def activate(self, values: Tensor) -> Tensor:
        """The activation of the law's network."""
        raise NotImplementedError

    def perceive(self, cells: Tensor) -> Tensor:
        """`(B, inputs, *grid)`, kind by kind; gradients along x, y and z (cross-correlation)."""
        halo = pad(cells, 1, self.boundary)
        seen: list[Tensor] = []
        for kind in self.perception:
            if kind == "identity":
                seen.append(cells)
            elif kind == "sobel":
                kernels = self.sobel.to(halo.dtype).chunk(cells.ndim - 2)
                seen += self._turned(cells, [correlate(halo, kernel, groups=self.channels) for kernel in kernels])
            elif kind == "laplacian":
                seen.append(correlate(halo, self.laplacian.to(halo.dtype), groups=self.channels))
            else:
                seen.append(self.activate(self.learned(cells)))
        return torch.cat(seen, 1)

    def _turned(self, cells: Tensor, gradients: list[Tensor]) -> list[Tensor]:
        """The gradients along x and y in the directions that the cell's angle names, where the law is steerable."""
        if self.angle_channel is None:
            return gradients
        angle = cells[:, self.angle_channel : self.angle_channel + 1]
        (x, y), cos, sin = gradients, angle.cos(), angle.sin()
        return [x * cos + y * sin, y * cos - x * sin]

    def filters(self) -> Filters:
        """The fixed kernels as filters applied to each channel, in the order of the inputs that they give.

        Learned kernels alone are layers that read each of the 3^n cells around.
        """
        rank = self.rank
        if self.perception == ("learned",):
            return one_hot(*every_tap(rank))
        kernels = {"sobel": sobel_kernels(rank), "laplacian": [laplacian_kernel(rank)]}
        found: list[Any] = []
        for kind in self.perception:
            if kind == "identity":
                found += one_hot((1,) * rank)
            elif kind != "learned":
                found += map(as_filter, kernels[kind])
        return tuple(found)

    def learned_last(self, weight: Tensor) -> Tensor:
        """Columns of a layer `(outputs, inputs)` on what is perceived, those of learned kernels behind the others."""
        if "learned" not in self.perception[:-1]:
            return weight
        before = sum(self._inputs(kind) for kind in self.perception[: self.perception.index("learned")])
        first, learned, last = weight.tensor_split((before, before + self._inputs("learned")), 1)
        return torch.cat((first, last, learned), 1)

    def steering(self) -> Steering | None:
        """The gradients among `filters` that each cell turns by its angle."""
        if self.angle_channel is None:
            return None
        fixed = [kind for kind in self.perception if kind != "learned"]
        x = fixed.index("sobel")  # each kind before it gives one filter
        return Steering(self.angle_channel, x, x + 1)

    def _inputs(self, kind: Perception) -> int:
        """Inputs that a kind of kernels gives a cell's network."""
        return {"identity": 1, "sobel": self.rank, "laplacian": 1}[kind] * self.channels if kind != "learned" else self.kernels


def sobel_kernels(rank: int) -> list[Tensor]:
    """Gradients along x, y and z, each `(3,) * rank`: central difference along one axis, [1, 2, 1] / 4 along the others."""
    smooth, slope = torch.tensor([0.25, 0.5, 0.25]), torch.tensor([-0.5, 0.0, 0.5])
    kernels = []
    for along in reversed(range(rank)):
        kernel = torch.ones(())
        for axis in range(rank):
            kernel = kernel[..., None] * (slope if axis == along else smooth)
        kernels.append(kernel)
    return kernels


def laplacian_kernel(rank: int) -> Tensor:
    """The mean with weights [1, 2, 1] / 4 along each axis less the cell itself, `(3,) * rank`; the same in all directions
    of the grid. In two dimensions [[1, 2, 1], [2, -12, 2], [1, 2, 1]] / 16."""
    kernel = torch.ones(())
    for _ in range(rank):
        kernel = kernel[..., None] * torch.tensor([0.25, 0.5, 0.25])
    kernel[(1,) * rank] -= 1
    return kernel
