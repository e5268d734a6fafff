"""Schedules of noise, and the steps of DDPM and DDIM that take it away.

Sources: J. Ho, A. Jain, P. Abbeel, "Denoising Diffusion Probabilistic Models", NeurIPS 2020; J. Song, C. Meng, S. Ermon,
"Denoising Diffusion Implicit Models", ICLR 2021; A. Nichol, P. Dhariwal, "Improved Denoising Diffusion Probabilistic Models",
ICML 2021 (cosine).
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

ScheduleKind = Literal["cosine", "linear"]
Sampler = Literal["ddim", "ddpm"]
Denoiser = Callable[[Tensor, Tensor], Tensor]  # (noisy pictures, levels (B,)) -> clean pictures


def signal_shares(levels: int, kind: ScheduleKind) -> Tensor:
    """`(levels + 1,)` float64: the share of the signal in the variance, falling from 1 at level 0, without noise."""
    at = torch.arange(levels + 1, dtype=torch.float64) / levels
    if kind == "linear":  # betas from 1e-4 to 0.02 for 1,000 levels, and as much noise in all for fewer
        betas = torch.linspace(1e-4, 0.02, levels, dtype=torch.float64) * (1000 / levels)
        return torch.cat((torch.ones(1, dtype=torch.float64), (1 - betas.clamp_max(0.999)).cumprod(0)))
    shares = ((at + 0.008) / 1.008 * math.pi / 2).cos() ** 2
    return (shares / shares[0]).clamp_min(1e-5)


def noisy(clean: Tensor, levels: Tensor, shares: Tensor, noise: Tensor) -> Tensor:
    """Pictures `(B, C, h, w)` with noise of levels `(B,)`."""
    share = shares[levels].to(clean)[:, None, None, None]
    return share.sqrt() * clean + (1 - share).sqrt() * noise


@torch.no_grad()
def denoised(
    denoise: Denoiser, start: Tensor, shares: Tensor, steps: int, sampler: Sampler, rng: torch.Generator
) -> list[Tensor]:
    """Pictures out of pure noise: those before each of the steps, and the last.

    Args:
        denoise: estimates the clean pictures.
        start: noise `(B, C, h, w)`.
        shares: of the signal; see `signal_shares`.
        steps: at most as many as there are levels.
        sampler: "ddim" (without new noise) or "ddpm" (with the noise of the true posterior).
        rng: on the CPU, for the new noise.
    """
    levels = torch.linspace(len(shares) - 1, 0, steps + 1).round().long().tolist()
    shown, now = [start], start
    for high, low in pairwise(levels):
        before, after = float(shares[high]), float(shares[low])
        clean = denoise(now, torch.full((len(now),), high))
        noise = (now - math.sqrt(before) * clean) / math.sqrt(1 - before)
        spread = 0.0
        if sampler == "ddpm":
            spread = math.sqrt((1 - after) / (1 - before) * (1 - before / after))
        now = math.sqrt(after) * clean + math.sqrt(max(0.0, 1 - after - spread**2)) * noise
        if spread:
            now = now + spread * torch.randn(now.shape, generator=rng).to(now)
        shown.append(now)
    return shown
