"""Laws learned from recordings, compared with the recorded laws.

    python -m benchmarks.training.learning --out benchmarks/results/learning.md

Life and B36/S23 are learned from soups of some densities, and tested on every cell of soups of other densities and on all 512
neighbourhoods. Lenia is learned from patches of noise, and tested on an Orbium, which was in no recording. Exits with 1 if a
target is missed.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aetheria import Aetheria_Motor, Lenia, Life, Recorder
from aetheria.laws.discrete.life import parse_rule
from aetheria.runs.config import load_config
from aetheria.runs.run import law_from_config
from aetheria.training.imitation import imitate
from aetheria.training.train_config import load_train_config
from benchmarks.harness.machine import publish

CONFIGS = Path(__file__).parents[2] / "configs" / "training"
RECORDED, TESTED = (0.1, 0.3, 0.5, 0.7), (0.2, 0.4, 0.6, 0.8)  # densities
MOST_SECONDS = 180.0
MOST_ERROR = 0.01


@dataclass(frozen=True)
class LearningResult:
    """The figures of a training, its target, and whether it was reached."""

    name: str
    seconds: float
    measured: str
    target: str
    reached: bool


def life(rule: str, folder: Path, *, side: int = 512, steps: int = 10, changes: Sequence[str] = ()) -> LearningResult:
    """Learns a rule from recordings of soups, and tests it on soups of other densities, `side^2` cells each.

    Args:
        steps: of the tested rollout.
            changes: of the training's settings.
    """
    began = time.perf_counter()
    soups = torch.cat([_soup(density, 64, seed) for seed in range(4) for density in RECORDED])
    record(Aetheria_Motor(Life(rule), 64, 1, "cpu", initial=soups, batch=len(soups)), folder / "soups.h5", 2)
    learned = learn("life.toml", folder, "soups.h5", changes, side)
    seconds = time.perf_counter() - began
    cells = torch.cat([_soup(density, side, 100 + n) for n, density in enumerate(TESTED)])
    learned.restart(initial=cells)
    truth, wrong = cells[:, 0].numpy().astype(np.uint8), 0
    for _ in range(steps):
        learned.step(1)
        truth = numpy_step(truth, rule)
        wrong += int((learned.cells[:, 0].numpy() != truth).sum())
    known = correct_neighbourhoods(learned, rule)
    found = f"{wrong:,} of {steps} x {cells.numel():,} cells wrong, {known} of 512 neighbourhoods right"
    return LearningResult(
        rule, seconds, found, f"0 wrong, in {MOST_SECONDS:.0f} s", wrong == 0 and known == 512 and seconds < MOST_SECONDS
    )


def lenia(folder: Path, *, steps: int = 100, changes: Sequence[str] = ()) -> LearningResult:
    """Learns Lenia's kernel and growth from noise, and tests them on an Orbium for `steps` steps."""
    began = time.perf_counter()
    record(Aetheria_Motor(Lenia(), 64, 1, "cpu", batch=20), folder / "patches.h5", 60)
    learned = learn("lenia.toml", folder, "patches.h5", changes, 64)
    seconds = time.perf_counter() - began
    true = Aetheria_Motor(Lenia("O2u"), 64, 1, "cpu")
    learned.restart(initial=true.cells.expand(learned.shape))
    errors = []
    for _ in range(steps):
        true.step(1)
        learned.step(1)
        errors.append(float((true.cells - learned.cells[:1]).abs().mean()))
    mean = sum(errors) / steps
    found = f"mean error {mean:.4f} over {steps} steps, {errors[-1]:.4f} at the last"
    return LearningResult("Lenia, an Orbium", seconds, found, f"a mean under {MOST_ERROR}", mean < MOST_ERROR)


def record(motor: Aetheria_Motor, path: Path, steps: int) -> None:
    """Records every cell of every step."""
    with motor, Recorder(motor, path, fields=["cells"], overwrite=True):
        motor.step(steps)


def learn(config: str, folder: Path, recordings: str, changes: Sequence[str], side: int) -> Aetheria_Motor:
    """Trains, and loads the result as `aetheria run` does, on four universes of `side^2` cells."""
    settings = load_train_config(CONFIGS / config, list(changes))
    data = settings.data.model_copy(update={"recordings": [str(folder / recordings)]})
    imitate(settings.model_copy(update={"data": data}), folder / "learned", trackers=[], overwrite=True)
    run = load_config(folder / "learned" / "run.toml")
    law, d_state = law_from_config(run.law, run.d_state)
    return Aetheria_Motor(law, side, d_state, "cpu", {"plan": "eager"}, batch=len(TESTED))


def numpy_step(cells: NDArray[np.uint8], rule: str) -> NDArray[np.uint8]:
    """A step of a rule on cells `(B, H, W)`, an independent implementation in NumPy."""
    born, stays = ([n in counts for n in range(9)] for counts in parse_rule(rule))
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    count = sum(np.roll(cells, shift, (1, 2)).astype(int) for shift in shifts)
    return np.where(cells == 1, np.array(stays)[count], np.array(born)[count]).astype(np.uint8)


def correct_neighbourhoods(motor: Aetheria_Motor, rule: str) -> int:
    """Number of the 512 neighbourhoods of a cell for which the learned law agrees with the rule."""
    bits = ((np.arange(512)[:, None] >> np.arange(9)) & 1).astype(np.uint8).reshape(512, 3, 3)
    alone = np.pad(bits, ((0, 0), (2, 2), (2, 2)))
    with torch.inference_mode():
        after = motor.law(torch.from_numpy(alone)[:, None].float())[:, 0, 3, 3].numpy()
    return int((after == numpy_step(alone, rule)[:, 3, 3]).sum())


def _soup(density: float, side: int, seed: int) -> Tensor:
    return (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(seed)) < density).float()


def main() -> None:
    """Trains all laws and reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        results = [life("B3/S23", Path(folder)), life("B36/S23", Path(folder)), lenia(Path(folder))]
    lines = [
        f"One thread. Soups of densities {RECORDED} are recorded, of {TESTED} tested; seconds include recording and reports.",
        "",
        "| law | s | measured | target | reached |",
        "|---|---|---|---|---|",
        *(f"| {r.name} | {r.seconds:.0f} | {r.measured} | {r.target} | {'yes' if r.reached else 'NO'} |" for r in results),
    ]
    publish("Laws learned from recordings", lines, given.out)
    sys.exit(not all(result.reached for result in results))


if __name__ == "__main__":
    main()
