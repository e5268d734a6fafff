"""Profile of a training (`aetheria profile`): time and memory of its steps, beside the limits of the machine."""

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
from aetheria.diagnostics.stage_timer import TimedFunction
from aetheria.laws.base import Law
from aetheria.training.batch_size import MicroBatches
from aetheria.training.distributed import ALONE, Processes
from aetheria.training.grow import GrowthObjective, growing_law, growth_pool
from aetheria.training.imitation import ImitationObjective, build_learner, datasets, rollout_config
from aetheria.training.objective import BatchSource, Objective
from aetheria.training.setup import Setup, setup_training
from aetheria.training.task_config import TaskConfig
from aetheria.training.task_training import TaskObjective, learner_and_task, set_up
from aetheria.training.train_config import GrowConfig, TrainConfig
from aetheria.training.trainer import Trainer

_REPEATS = 6  # five of `profile`, and one that counts operations


@dataclass(frozen=True)
class TrainingProfile:
    """The profile of a training.

    Attributes:
        law, setup: the law, and the device and precision.
        batch: samples of a step.
        steps: profiled steps of the optimizer.
        whole: those steps, with reading.
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
        """The profile in words, by heading."""
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
        """Tables of the stages and the operators."""
        yield stage_table(f"stages of {self.steps:,} steps of the training", self.whole, self.steps)
        yield operator_table("operators", self.whole, self.steps, self.ceilings)


class _Steps:
    """Consecutive steps of a training."""

    def __init__(self, trainer: Trainer, objective: Objective, batches: BatchSource) -> None:
        self._trainer, self._objective, self._batches = trainer, objective, iter(batches)

    def next_batch(self) -> tuple[Tensor, ...]:
        """Waits for a batch."""
        return next(self._batches)

    def run(self, count: int) -> None:
        """Takes `count` steps."""
        for _ in range(count):
            self._trainer.train_step(self.next_batch())
            self._objective.after_step()
            self._trainer.step += 1


def profile_training(
    config: TrainConfig | GrowConfig | TaskConfig, *, device: str | None = None, steps: int = 3, trace: Path | None = None
) -> TrainingProfile:
    """Profiles steps of a training with its longest rollout; the trained weights are discarded.

    Args:
        device: replaces the config's.
        steps: to profile.
        trace: see `profile`.

    Raises:
        AetheriaError: the training is refused.
    """
    batch = config.train.batch
    if batch == "auto":
        raise ConfigError('[train] batch: "auto" given; expected a number to profile with, as --set train.batch=8')
    # Without a curriculum the rollout is the longest from the first step on.
    changes = {"steps": _REPEATS * steps} | ({"curriculum": 0.0} if isinstance(config, TrainConfig) else {})
    config = config.model_copy(update={"train": config.train.model_copy(update=changes)})
    with tempfile.TemporaryDirectory() as folder:
        law, objective, setup = _prepare(config, device, batch)
        trainer = Trainer(law, config.train, objective, setup, Path(folder), seed=config.seed)
        stages = [
            TimedFunction(_Steps, "next_batch", "wait for data"),
            TimedFunction(objective, "loss", "rollout and loss"),
            TimedFunction(MicroBatches, "backward", "gradients"),
            TimedFunction(trainer, "train_step", "clip, optimizer"),
            TimedFunction(objective, "after_step", "after the step"),
        ]
        with objective.batches(0) as batches, setup.numerics():
            trainings = _Steps(trainer, objective, batches)
            whole = profile(lambda: trainings.run(steps), stages, setup.device, trace)
            with FlopCounterMode(display=False) as counter:
                trainings.run(1)
        precision: Precision = "bf16" if setup.precision != "fp32" else "tf32" if setup.tf32 else "fp32"
        ceilings = measure_ceilings(setup.device, precision)
    return TrainingProfile(law.name, setup, batch, steps, whole, counter.get_total_flops(), ceilings)


def _prepare(config: TrainConfig | GrowConfig | TaskConfig, device: str | None, batch: int) -> tuple[Law, Objective, Setup]:
    """The law, its objective, and the setup of the training."""
    if isinstance(config, GrowConfig):
        law = growing_law(config)
        pool = growth_pool(config, law)
        setup = _set_up(law, config, device, batch)
        return law, GrowthObjective(pool, config.train.steps, setup.device), setup
    if isinstance(config, TaskConfig):
        law, task = learner_and_task(config)
        setup = set_up(config, law, task, Processes(device=device or config.device), try_batches=False)
        return law, TaskObjective(task, law, config.train, setup, config.seed, ALONE), setup
    learner = build_learner(config)
    train, held_out = datasets(config)
    held_out.close()
    rollout = rollout_config(config, learner, train)
    setup = _set_up(learner, config, device, batch)
    return learner, ImitationObjective(learner, train, config, rollout, setup, ALONE), setup


def _set_up(law: Law, config: TrainConfig | GrowConfig, device: str | None, batch: int) -> Setup:
    train = config.train
    return setup_training(
        law,
        device=device or config.device,
        precision=train.precision,
        deterministic=train.deterministic,
        workers=0 if isinstance(config, GrowConfig) else config.data.workers,
        batch=batch,
    )
