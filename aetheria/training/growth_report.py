"""Evaluation of a law that grows a picture: errors by step, healing after damage, and a contact sheet of the grown pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.motor.state import fresh_memory
from aetheria.stepping.cpu.training_step import run_steps
from aetheria.training.growth import COLOURS, GrowthPool

GROWN_STEP, LASTING_STEP = 64, 1000  # steps at which the picture should be complete, and should still be
EVALUATED_STEPS = (8, 16, 32, GROWN_STEP, 200, LASTING_STEP)
_DAMAGE_STEP, _HEALED_STEP = 200, 400
_RUNS = 4


@dataclass(frozen=True)
class GrowthEvaluation:
    """Runs of a law from one live cell.

    Attributes:
        cells: `(C, H, W)` of the first run, by step.
        errors: mean squared error of the picture's colours over all runs, by step.
        healed: the largest error of a run, 200 steps after one half (left, right, top, bottom) was removed at step 200.
    """

    cells: dict[int, Tensor]
    errors: dict[int, float]
    healed: float

    @property
    def worst(self) -> float:
        """The largest of the errors that matter: when the picture is complete, much later, and after healing."""
        return max(self.errors[GROWN_STEP], self.errors[LASTING_STEP], self.healed)


@torch.no_grad()
def evaluate(law: Law, pool: GrowthPool, seed: int = 0) -> GrowthEvaluation:
    """Grows the picture in four runs with different fire masks, and damages each at another half."""
    law.eval()
    device = next(law.parameters()).device
    cells = pool.start.to(device).repeat(_RUNS, 1, 1, 1)
    state: tuple[Tensor, ...] = (cells, *fresh_memory(law, cells, seed))
    first, errors = {}, {}
    damaged: tuple[Tensor, ...] = ()
    for step in range(1, max(EVALUATED_STEPS) + 1):
        state = tuple(run_steps(law, state, 1))
        if step in EVALUATED_STEPS:
            first[step], errors[step] = state[0][0], float(pool.picture_error(state[0]).mean())
        if step == _DAMAGE_STEP:
            damaged = (with_half_removed(state[0]), *state[1:])
    damaged = tuple(run_steps(law, damaged, _HEALED_STEP - _DAMAGE_STEP))
    return GrowthEvaluation(first, errors, float(pool.picture_error(damaged[0]).max()))


def with_half_removed(cells: Tensor) -> Tensor:
    """The cells of four universes without their left, right, top and bottom half."""
    height, width = cells.shape[2] // 2, cells.shape[3] // 2
    left = cells.clone()
    left[0, :, :, :width] = 0
    left[1, :, :, width:] = 0
    left[2, :, :height] = 0
    left[3, :, height:] = 0
    return left


def contact_sheet(cells: dict[int, Tensor], target: Tensor, scale: int = 6) -> Image.Image:
    """The target, then the cells by step, side by side on white."""
    shown = [target, *(grown[:COLOURS] for _, grown in sorted(cells.items()))]
    # Colours are premultiplied by alpha: white fills the rest.
    rgb = [(one[:3] + 1 - one[3:].clamp(0, 1)).clamp(0, 1).cpu().numpy() for one in shown]
    pixels: NDArray[np.uint8] = np.asarray(np.concatenate(rgb, 2).transpose(1, 2, 0) * 255, np.uint8)
    image = Image.fromarray(pixels)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
