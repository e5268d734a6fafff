"""Objective "diffuse": a law takes noise out of pictures, and so makes new ones out of noise.

Source: J. Kalkhof et al., "Frequency-Time Diffusion with Neural Cellular Automata", 2024; schedules and samplers:
`aetheria.training.noise_schedule`.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import training_step
from aetheria.training.noise_schedule import Sampler, ScheduleKind, denoised, noisy, signal_shares
from aetheria.training.picture_data import PictureData, Sample
from aetheria.training.rollout import last_state
from aetheria.training.strips import joined
from aetheria.training.task import Batch, Figures, Task

_SHOWN = 8


class Diffuse(Task):
    """The first channels hold a noisy picture in -1..1, the last one the level of noise in 0..1; the law makes the clean one.

    The number of steps of the law for one estimate is that of the rollout.
    """

    def __init__(
        self,
        law: Law,
        grid: tuple[int, ...],
        /,
        *,
        path: str,
        levels: int = 100,
        schedule: ScheduleKind = "cosine",
        sampler: Sampler = "ddim",
        sampling_steps: int = 20,
        law_steps: int = 16,
        validation: float = 0.2,
        patches: bool = False,
        cache_mib: int = 256,
    ) -> None:
        """
        Args:
            path: of pictures; see `open_stack`.
            levels: number of levels of noise.
            schedule: of the noise.
            sampler: "ddim" or "ddpm", for the pictures that are made in the end.
            sampling_steps: of the sampler, at most as many as levels.
            law_steps: of the law for each of them.
            validation: share of the pictures held out.
            patches, cache_mib: see `PictureData`.

        Raises:
            ConfigError: a grid of other axes than two, too few channels, numbers out of range; as `PictureData`.
        """
        super().__init__(law, grid)
        if len(grid) != 2:
            raise ConfigError(f"[grid]: {len(grid)} axes given; pictures need two")
        if not 1 <= sampling_steps <= levels or law_steps < 1:
            raise ConfigError(
                f"[objective] levels {levels}, sampling_steps {sampling_steps}, law_steps {law_steps}: expected 1 or more, and "
                "at most as many sampling steps as levels"
            )
        self.data = PictureData(path, (grid[0], grid[1]), patches=patches, normalise="min_max", cache_mib=cache_mib)
        self.colours = self.data.shape[0]
        if law.channels < self.colours + 1:
            raise ConfigError(
                f"[law] {law.name} has {law.channels} channels; needs {self.colours + 1}: the picture, and the level"
            )
        self.training, self.tested = self.data.split(validation)
        self.shares = signal_shares(levels, schedule)
        self._out_of_noise: list[Tensor] = []
        self.sampler, self.sampling_steps, self.law_steps = sampler, sampling_steps, law_steps

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        return self._noisy(self.training.draw(size, rng), rng)

    def held_out(self, size: int, rng: torch.Generator) -> Batch:
        return self._noisy(self.tested.draw(size, rng), rng)

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of the estimate, and a penalty on values beyond -4..4, which would not last."""
        return F.mse_loss(cells[:, : self.colours], batch[1]) + (cells - cells.clamp(-4, 4)).abs().mean()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        before = F.mse_loss(batch[0][:, : self.colours], batch[1])
        error = F.mse_loss(cells[:, : self.colours], batch[1])
        return {"error": float(error), "error of the noisy pictures": float(before), "cache hits": self.data.cache.hit_rate}

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        """Noisy pictures, estimates, clean ones; after the training also what the law makes out of noise."""
        rows = [batch[0][:_SHOWN, : self.colours], cells[:_SHOWN, : self.colours], batch[1][:_SHOWN], *self._out_of_noise]
        return np.asarray(joined([[_image(one) for one in row] for row in rows]))

    def after_training(self, law: Law) -> Figures:
        """Makes pictures out of noise; their distance from the nearest picture of the training, and of a held-out one."""
        made = self.made(law, _SHOWN)[-1].cpu()
        self._out_of_noise = [made]
        rng = torch.Generator().manual_seed(0)
        known, new = (
            2 * torch.stack([sample.picture for sample in part.draw(min(256, len(part)), rng)]) - 1
            for part in (self.training, self.tested)
        )
        return {
            "distance of made pictures": _nearest(made, known),
            "distance of held-out pictures": _nearest(new[:_SHOWN], known),
        }

    @torch.no_grad()
    def made(self, law: Law, count: int, seed: int = 0) -> list[Tensor]:
        """Pictures `(count, C, h, w)` out of noise, after each step of the sampler."""
        rng = torch.Generator().manual_seed(seed)
        step = training_step(law)
        device = next(law.parameters()).device

        def denoise(now: Tensor, levels: Tensor) -> Tensor:
            cells = self._cells(now, levels)
            state = (cells, *fresh_memory(law, cells, int(torch.randint(2**62, (), generator=rng))))
            return last_state(step, state, self.law_steps)[0][:, : self.colours].clamp(-1, 1)

        start = torch.randn(count, self.colours, *self.grid, generator=rng).to(device)
        return denoised(denoise, start, self.shares, self.sampling_steps, self.sampler, rng)

    def close(self) -> None:
        self.data.cancel()

    def _noisy(self, samples: list[Sample], rng: torch.Generator) -> Batch:
        clean = 2 * torch.stack([sample.picture for sample in samples]) - 1
        levels = torch.randint(1, len(self.shares), (len(samples),), generator=rng)
        noise = torch.randn(clean.shape, generator=rng)
        return self._cells(noisy(clean, levels, self.shares, noise), levels), clean

    def _cells(self, pictures: Tensor, levels: Tensor) -> Tensor:
        cells = pictures.new_zeros(len(pictures), self.law.channels, *self.grid)
        cells[:, : self.colours] = pictures
        cells[:, -1] = (levels.to(pictures) / (len(self.shares) - 1))[:, None, None]
        return cells


def _nearest(pictures: Tensor, known: Tensor) -> float:
    """Root mean square distance of a picture from the nearest known one, mean over pictures."""
    distances = torch.cdist(pictures.flatten(1), known.flatten(1)) / pictures[0].numel() ** 0.5
    return float(distances.min(1).values.mean())


def _image(picture: Tensor) -> Image.Image:
    values = ((picture[:3] + 1) / 2).clamp(0, 1).mul(255).byte().cpu().numpy()
    pixels: NDArray[np.uint8] = np.moveaxis(values if len(values) == 3 else values[:1].repeat(3, 0), 0, -1)
    scale = max(1, 64 // max(pixels.shape[:2]))
    return Image.fromarray(np.ascontiguousarray(pixels.repeat(scale, 0).repeat(scale, 1)))
