"""A training that grows a picture: from config to weights, a run of them, and how well they keep and heal it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import atomic_write
from aetheria.laws import GrowingNCA
from aetheria.laws.base import Law
from aetheria.runs.run import built_law
from aetheria.runs.signals import Interrupts
from aetheria.stepping.cpu.training_step import Step
from aetheria.training.distributed import processes
from aetheria.training.growth import COLOURS, Growth
from aetheria.training.imitation import prepare
from aetheria.training.loop import Trainer, TrainStatus
from aetheria.training.setup import Setup, setup_training
from aetheria.training.target_images import draw_emoji, read_picture
from aetheria.training.trackers import Tracker, default_trackers
from aetheria.training.train_config import GrowConfig

GROWN, LASTING = 64, 1000  # steps at which the picture shall be there, and still be
SEEN = (8, 16, 32, GROWN, 200, LASTING)  # steps at which what was grown is looked at
_WOUNDED, _HEALED = 200, 400  # half of it is lost at the one step, and looked for at the other
_TRIALS = 4


@dataclass(frozen=True)
class GrowResult:
    """How a growing ended, and what it left behind.

    Attributes:
        errors: mean squared error of the picture's colours, by step from one cell; empty when interrupted.
        healed: the same, 200 steps after half of what was grown by step 200 was lost: the worst of its four halves.
        folder: holds weights.safetensors, run.toml, grown.png, last.pt, best.pt.
    """

    status: str
    exit_code: int
    step: int
    errors: dict[int, float]
    healed: float
    folder: Path


class Growing:
    """The lesson of a `Trainer` that grows a picture."""

    def __init__(self, task: Growth, last: int, device: torch.device) -> None:
        """
        Args:
            task: what is drawn and how it is judged.
            last: steps of the whole training.
        """
        self._task, self._last, self._device = task, last, device
        self._steps = 1
        self._grown: list[tuple[Tensor, Tensor]] = []
        self.waited_s = 0.0

    @contextmanager
    def batches(self, first: int) -> Iterator["Growing"]:
        """Batches `(cells, seeds, places)` from a training step on."""
        self._number = first
        yield self

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        while self._number < self._last:
            batch = self._task.draw(self._number)
            self._steps = batch.steps
            self._grown = []
            yield batch.cells.to(self._device), batch.seeds.to(self._device), batch.places
            self._number += 1

    def loss(self, step: Step, batch: tuple[Tensor, ...], _: torch.Generator) -> Tensor:
        """Of what grows from a piece of the batch."""
        cells, seeds, places = batch
        grown = self._task.grow(step, cells, seeds, self._steps)
        self._grown.append((places, grown.detach()))
        return self._task.loss(grown)

    def learned(self) -> None:
        """Puts what was grown into the pool."""
        for places, grown in self._grown:
            self._task.keep(places, grown)

    def state_dict(self) -> dict[str, Any]:
        """The pool."""
        return self._task.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on with a pool."""
        self._task.load_state_dict(state)


def grow(
    config: GrowConfig,
    folder: Path,
    *,
    device: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    trackers: Sequence[Tracker] | None = None,
    started: Callable[[Setup], None] = lambda _: None,
    progress: Callable[[TrainStatus], None] = lambda _: None,
) -> GrowResult:
    """Trains a law to grow a picture from one cell, to keep it and to heal it; heeds SIGINT and SIGTERM.

    Arguments and errors as for `imitate`; and ConfigError for a law other than GrowingNCA, StateError for a picture larger than
    the grid.
    """
    if processes() > 1:
        raise ConfigError("several processes: expected one; a pool of states is not shared between them")
    law, _ = built_law(config.law, None)
    if not isinstance(law, GrowingNCA):
        raise ConfigError(f'[law] name: "{config.law.name}" given; only GrowingNCA grows pictures')
    how, task = config.train, task_of(config, law)
    prepare(folder, resume, overwrite)
    setup = setup_training(
        law,
        device=device or config.device,
        precision=how.precision,
        deterministic=how.deterministic,
        workers=0,
        batch=how.batch,
    )
    started(setup)
    with ExitStack() as open_:
        reports = default_trackers(folder / "tensorboard") if trackers is None else list(trackers)
        for tracker in reports:
            open_.callback(tracker.close)
        lesson = Growing(task, how.steps, setup.device)
        trainer = Trainer(law, how, lesson, setup, folder, seed=config.seed, config=config.to_toml(), trackers=reports)
        if resume:
            trainer.resume(folder / "last.pt")

        def validate(average: Law) -> float:
            assert isinstance(average, GrowingNCA)
            seen, errors, healed = trials(average, task)
            for tracker in reports:
                tracker.picture(trainer.step, "the picture, and what grows", np.asarray(sheet(seen, task.target)))
            return max(errors[GROWN], errors[LASTING], healed)

        with Interrupts() as interrupts:
            interrupts.patience = 1  # the first signal ends the training in order
            status = trainer.train(validate, stopped=lambda: bool(interrupts.received), progress=progress)
        if status == "interrupted":
            return GrowResult(status, interrupts.exit_code, trainer.step, {}, 0.0, folder)
        if (folder / "best.pt").exists():
            trainer.resume(folder / "best.pt")
        assert isinstance(trainer.average, GrowingNCA)
        errors, healed = leave(trainer.average, task, config, folder)
        return GrowResult(status, 0, trainer.step, errors, healed, folder)


def task_of(config: GrowConfig, law: GrowingNCA) -> Growth:
    """What is drawn and how it is judged, as the config says; raises what `read_picture`, `draw_emoji` and `Growth` do."""
    how, what, (height, width) = config.train, config.picture, config.picture.grid
    return Growth(
        law,
        draw_emoji(what.emoji, what.size) if what.emoji else read_picture(what.path, what.size),
        (height, width),
        pool=how.pool,
        batch=how.batch,
        damaged=how.damaged,
        steps=(how.rollout[0], how.rollout[1]),
        seed=config.seed,
    )


def leave(law: GrowingNCA, task: Growth, config: GrowConfig, folder: Path) -> tuple[dict[int, float], float]:
    """Writes what a finished growing leaves behind; its errors, and the one after healing."""
    seen, errors, healed = trials(law, task)
    with atomic_write(folder / "grown.png") as beside:
        sheet(seen, task.target).save(beside)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in law.state_dict().items()}
    with atomic_write(folder / "weights.safetensors") as beside:
        save_file(tensors, beside, {"config": config.to_toml()})
    with atomic_write(folder / "run.toml") as beside:
        beside.write_text(run_toml(config))
    return errors, healed


def run_toml(config: GrowConfig) -> str:
    """A run of what was learned, for `aetheria run` and `aetheria view`: a grid twice as high and wide, from one cell."""
    height, width = config.picture.grid
    table = {"name": config.law.name, **config.law.parameters, "weights": "weights.safetensors"}
    run: dict[str, Any] = {"title": f"{config.title or 'a picture'}, grown", "steps": 1000, "seed": config.seed}
    return tomli_w.dumps(run | {"grid": {"height": 2 * height, "width": 2 * width}, "law": table})


@torch.no_grad()
def trials(law: GrowingNCA, task: Growth, seed: int = 0) -> tuple[dict[int, Tensor], dict[int, float], float]:
    """What a law grows from one cell in four runs: cells of the first, and mean errors, by step; and the worst after healing.

    Each run loses another half (left, right, top, bottom) at step 200, and is looked at 200 steps later.
    """
    law.eval()
    device = next(law.parameters()).device
    cells = task.start.to(device).repeat(_TRIALS, 1, 1, 1)
    state: tuple[Tensor, ...] = (cells, *law.initial_memory(cells, seed))
    seen, errors = {}, {}
    wounded: tuple[Tensor, ...] = ()
    for step in range(1, max(SEEN) + 1):
        state = law(*state)
        if step in SEEN:
            seen[step], errors[step] = state[0][0], float(task.picture_error(state[0]).mean())
        if step == _WOUNDED:
            wounded = (halved(state[0]), *state[1:])
    for _ in range(_HEALED - _WOUNDED):
        wounded = law(*wounded)
    return seen, errors, float(task.picture_error(wounded[0]).max())


def halved(cells: Tensor) -> Tensor:
    """The cells with another half lost in each of four universes."""
    height, width = cells.shape[2] // 2, cells.shape[3] // 2
    left = cells.clone()
    left[0, :, :, :width] = 0
    left[1, :, :, width:] = 0
    left[2, :, :height] = 0
    left[3, :, height:] = 0
    return left


def sheet(seen: dict[int, Tensor], target: Tensor, scale: int = 6) -> Image.Image:
    """The picture, then what was grown, side by side, on white."""
    shown = [target, *(cells[:COLOURS] for _, cells in sorted(seen.items()))]
    # Premultiplied: what alpha leaves open is white.
    rgb = [(one[:3] + 1 - one[3:].clamp(0, 1)).clamp(0, 1).cpu().numpy() for one in shown]
    pixels: NDArray[np.uint8] = np.asarray(np.concatenate(rgb, 2).transpose(1, 2, 0) * 255, np.uint8)
    image = Image.fromarray(pixels)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
