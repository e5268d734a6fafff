"""Objective "untargeted": no target, but what the cells are to be like: losses by name, weighted together."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, nearest
from aetheria.laws.base import Law
from aetheria.training.quantum_noise import with_flips
from aetheria.training.task import Batch, Figures, Task

_LEAST = 1e-6


def density(cells: Tensor) -> Tensor:
    """`(B, *grid)`: squared amplitudes of a law of complex cells; else the squares of the channels; summed at each cell."""
    return cells.square().sum(1)


def survival(cells: Tensor, first: Tensor) -> Tensor:
    """Squared relative change of the total density: 0 where nothing has died out or exploded."""
    before, after = (density(one).flatten(1).sum(1) for one in (first, cells))
    return ((after - before) / before.clamp_min(_LEAST)).square()


def symmetry(cells: Tensor, _: Tensor) -> Tensor:
    """Relative distance of the density from its mirror image along each axis of a torus, wherever the mirror is best: 0..2.

    0 where there is such a mirror for each axis, whatever the place of the pattern.
    """
    seen = density(cells).float()
    power = seen.square().flatten(1).sum(1).clamp_min(_LEAST)
    apart = []
    for axis in range(1, seen.ndim):
        # A density convolved with itself is its overlap with its mirror image, for each place of the mirror.
        spectrum = torch.fft.rfft(seen.movedim(axis, -1).reshape(len(seen), -1, seen.shape[axis]), dim=-1).square().sum(1)
        overlaps = torch.fft.irfft(spectrum, n=seen.shape[axis], dim=-1)
        apart.append(2 - 2 * overlaps.amax(1) / power)
    return torch.stack(apart).mean(0)


def complexity(cells: Tensor, _: Tensor) -> Tensor:
    """Distance from the middle between order and disorder: 1 - 4 H (1 - H), H the density's entropy by its largest.

    After R. Lopez-Ruiz, H. Mancini, X. Calbet, "A statistical measure of complexity", Phys. Lett. A 209 (1995) 321.
    """
    share = density(cells).flatten(1)
    share = share / share.sum(1, keepdim=True).clamp_min(_LEAST)
    entropy = -(share * share.clamp_min(1e-12).log()).sum(1) / torch.tensor(float(share.shape[1])).log()
    return 1 - 4 * entropy * (1 - entropy)


def motion(cells: Tensor, first: Tensor) -> Tensor:
    """Overlap of the densities before and after: 1 where nothing has moved, 0 where everything has."""
    before, after = (density(one).flatten(1) for one in (first, cells))
    return (before * after).sum(1) / (before.norm(dim=1) * after.norm(dim=1)).clamp_min(_LEAST)


def smoothness(cells: Tensor, _: Tensor) -> Tensor:
    """Mean squared difference of neighbours on a torus, relative to the mean square."""
    apart = [(cells - cells.roll(1, axis)).square().flatten(1).mean(1) for axis in range(2, cells.ndim)]
    return torch.stack(apart).mean(0) / cells.square().flatten(1).mean(1).clamp_min(_LEAST)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "survival": survival,
    "symmetry": symmetry,
    "complexity": complexity,
    "motion": motion,
    "smoothness": smoothness,
}


class Untargeted(Task):
    """Losses by name, each of cells after the rollout and the first cells, weighted together.

    Noise as a curriculum: first cells get phase flips and bit flips, rarely at first, as often as stated after a share of the
    training.
    """

    def __init__(
        self,
        law: Law,
        grid: tuple[int, ...],
        /,
        *,
        losses: dict[str, float],
        start: Literal["patch", "random"] = "patch",
        phase_flip: float = 0.0,
        bit_flip: float = 0.0,
        curriculum: float = 0.5,
    ) -> None:
        """
        Args:
            losses: weights by name, as {survival = 1.0, motion = 0.5}.
            start: first cells: the law's "random" ones, or a "patch" of them, a fifth of the grid wide, at a random place.
            phase_flip: chance that the sign of the second amplitude of each pair at a cell changes, in the end.
            bit_flip: chance that the two amplitudes of each pair at a cell change places, in the end.
            curriculum: share of the training over which the chances rise from 0.

        Raises:
            ConfigError: an unknown loss, none, or a chance out of 0..1; flips for a law of real cells or of odd d_state.
        """
        super().__init__(law, grid)
        for name in losses:
            if name not in LOSSES:
                raise ConfigError(f"[objective] losses: {name} given; {nearest(name, list(LOSSES))}")
        if not losses:
            raise ConfigError(f"[objective] losses: none given; expected weights of some of {', '.join(LOSSES)}")
        for key, chance in {"phase_flip": phase_flip, "bit_flip": bit_flip, "curriculum": curriculum}.items():
            if not 0 <= chance <= 1:
                raise ConfigError(f"[objective] {key}: {chance} given; expected 0 to 1")
        if (phase_flip or bit_flip) and (law.d_state is None or law.d_state % 2):
            raise ConfigError(
                f"[objective] phase_flip, bit_flip: {law.name} has no pairs of complex amplitudes; expected a law "
                "with an even d_state"
            )
        self.losses, self.start, self.phase_flip, self.bit_flip, self.curriculum = (
            losses,
            start,
            phase_flip,
            bit_flip,
            curriculum,
        )

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        risen = 1.0 if not self.curriculum else min(1.0, self.progress / self.curriculum)
        return (self._flipped(self._first(size, rng), risen, rng),)

    def held_out(self, size: int, rng: torch.Generator) -> Batch:
        """With all the noise, from the first validation on, so that errors can be compared."""
        return (self._flipped(self._first(size, rng), 1.0, rng),)

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        parts = [weight * LOSSES[name](cells, batch[0]).mean() for name, weight in self.losses.items()]
        return torch.stack(parts).sum()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        named = {name: float(LOSSES[name](cells, batch[0]).mean()) for name in self.losses}
        return super().figures(cells, batch) | named

    def _first(self, size: int, rng: torch.Generator) -> Tensor:
        cells = super().batch(size, rng)[0]
        if self.start == "random":
            return cells
        envelope = torch.ones(size, 1, *self.grid)
        for axis, side in enumerate(self.grid):
            middle = torch.rand(size, 1, generator=rng) * side
            apart = (torch.arange(side) - middle + side / 2) % side - side / 2  # on a torus
            shape = [size, 1, *(side if other == axis else 1 for other in range(len(self.grid)))]
            envelope = envelope * (-((apart / (side / 10)) ** 2) / 2).exp().view(shape)
        return self.law.normalised(cells * envelope)

    def _flipped(self, cells: Tensor, risen: float, rng: torch.Generator) -> Tensor:
        return with_flips(cells, self.phase_flip * risen, self.bit_flip * risen, rng)
