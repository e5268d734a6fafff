"""`aetheria profile` of a training: where the time and the memory of its steps go, and what the machine would allow."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aetheria.core.errors import ConfigError
from aetheria.core.precision import Precision
from aetheria.diagnostics.bench import Ceilings, measure_ceilings
from aetheria.diagnostics.profile_run import MIB, Profile, operator_table, profile, stage_table
from aetheria.diagnostics.stage_timer import Mark
from aetheria.laws import GrowingNCA
from aetheria.laws.base import Law
from aetheria.runs.run import built_law
from aetheria.training.batch_size import MicroBatches
from aetheria.training.distributed import ALONE
from aetheria.training.grow import Growing, task_of
from aetheria.training.imitation import Imitation, datasets, learner, rollout_of
from aetheria.training.loop import Objective, Source, Trainer
from aetheria.training.setup import Setup, setup_training
from aetheria.training.train_config import GrowConfig, TrainConfig

_PASSES = 6  # of `profile`, and one that counts operations


@dataclass(frozen=True)
class TrainingProfile:
    """A training, profiled.

    Attributes:
        law, setup: what is trained, and with what.
        batch: samples of a step.
        steps: of the optimizer, that were watched.
        whole: those steps, reading included.
        flops: of the products and convolutions of a step, forwards and backwards; 2 for a multiplication with its addition.
        ceilings: of this machine, in this precision.
    """

    law: str
    setup: Setup
    batch: int
    steps: int
    whole: Profile
    flops: int
    ceilings: Ceilings

    def describe(self) -> dict[str, str]:
        """For people."""
        seconds = self.whole.seconds / self.steps
        least = self.flops / self.ceilings.arithmetic
        at = f"at this machine's {self.ceilings.arithmetic / 1e9:,.4g} GFLOP/s"
        return {
            "law": self.law,
            "device": self.setup.hardware.name,
            "precision": self.setup.precision,
            "batch": f"{self.batch} samples",
            "step": f"{seconds * 1e3:.4g} ms, {1 / seconds:.4g} steps/s; {self.whole.peak / MIB:,.0f} MiB in use at most",
            "bound": f"{self.flops / 1e9:,.4g} GFLOP of products take {least * 1e3:.4g} ms {at}, {least / seconds:.0%} of it",
        }

    def tables(self) -> Iterator[Table]:
        """Stages and operators, for people."""
        yield stage_table(f"stages of {self.steps:,} steps of the training", self.whole, self.steps)
        yield operator_table("operators", self.whole, self.steps, self.ceilings)


class _Steps:
    """Steps of a training, one after the other."""

    def __init__(self, trainer: Trainer, lesson: Objective, batches: Source) -> None:
        self._trainer, self._lesson, self._batches = trainer, lesson, iter(batches)

    def next_batch(self) -> tuple[Tensor, ...]:
        """Waits for one."""
        return next(self._batches)

    def take(self, count: int) -> None:
        """Takes so many steps."""
        for _ in range(count):
            self._trainer.learn_from(self.next_batch())
            self._lesson.learned()
            self._trainer.step += 1


def profile_training(
    config: TrainConfig | GrowConfig, *, device: str | None = None, steps: int = 3, trace: Path | None = None
) -> TrainingProfile:
    """Profiles steps of a training with its longest rollout; nothing is kept of what is learned.

    Args:
        device: instead of the config's.
        steps: to watch.
        trace: see `profile`.

    Raises:
        AetheriaError: what training refuses.
    """
    if config.train.batch == "auto":
        raise ConfigError('[train] batch: "auto" given; expected a number to profile with, as --set train.batch=8')
    # The rollout of a recording's training is the longest from the first step on.
    changes = {"steps": _PASSES * steps} | ({} if isinstance(config, GrowConfig) else {"curriculum": 0.0})
    how = config.train.model_copy(update=changes)
    with tempfile.TemporaryDirectory() as folder:
        law, lesson, setup, name = _lesson_of(config.model_copy(update={"train": how}), device)
        trainer = Trainer(law, how, lesson, setup, Path(folder), seed=config.seed)
        marks = [
            Mark(_Steps, "next_batch", "wait for data"),
            Mark(lesson, "loss", "rollout and loss"),
            Mark(MicroBatches, "backward", "gradients"),
            Mark(trainer, "learn_from", "clip, optimizer"),
            Mark(lesson, "learned", "keep for later"),
        ]
        with lesson.batches(0) as batches, setup.numerics():
            taken = _Steps(trainer, lesson, batches)
            whole = profile(lambda: taken.take(steps), marks, setup.device, trace)
            with FlopCounterMode(display=False) as counter:
                taken.take(1)
        precision: Precision = "bf16" if setup.precision != "fp32" else "tf32" if setup.tf32 else "fp32"
        ceilings = measure_ceilings(setup.device, precision)
    return TrainingProfile(name, setup, config.train.batch, steps, whole, counter.get_total_flops(), ceilings)


def _lesson_of(config: TrainConfig | GrowConfig, device: str | None) -> tuple[Law, Objective, Setup, str]:
    """The law, what it is taught, and with what; and the law's name."""
    how = config.train
    assert how.batch != "auto"
    if isinstance(config, GrowConfig):
        grower, _ = built_law(config.law, None)
        if not isinstance(grower, GrowingNCA):
            raise ConfigError(f'[law] name: "{config.law.name}" given; only GrowingNCA grows pictures')
        task = task_of(config, grower)
        setup = _set_up(grower, config, device, how.batch)
        return grower, Growing(task, how.steps, setup.device), setup, config.law.name
    law = learner(config)
    train, held_out = datasets(config)
    held_out.close()
    rollout = rollout_of(config, law, train)
    setup = _set_up(law, config, device, how.batch)
    return law, Imitation(law, train, config, rollout, setup, ALONE), setup, law.name


def _set_up(law: Law, config: TrainConfig | GrowConfig, device: str | None, batch: int) -> Setup:
    how = config.train
    workers = 0 if isinstance(config, GrowConfig) else config.data.workers
    return setup_training(
        law,
        device=device or config.device,
        precision=how.precision,
        deterministic=how.deterministic,
        workers=workers,
        batch=batch,
    )
