"""Settings of the optimizer and the training loop, common to all trainings."""

from typing import Literal

from pydantic import Field as Setting
from pydantic import ValidationInfo, field_validator

from aetheria.core.settings import Settings
from aetheria.training.optimizers import ADAM_LIKE, OptimizerName, ScheduleName
from aetheria.training.setup import TrainingPrecision

CompileMode = Literal["default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"]  # of torch.compile


class OptimConfig(Settings):
    """Settings of the optimizer and the training loop, common to all objectives.

    Attributes:
        steps: number of steps of the optimizer. [steps]
        micro_batch: samples computed at a time; all of a batch that fit, when left out. [samples]
        optimizer: of torch, by name.
        learning_rate: highest rate. [1]
        weight_decay: of the optimizer. [1]
        beta2: share of the mean of squared gradients that is kept in a step, of the optimizers of Adam's kind; torch's, 0.999,
            when left out. [1]
        epsilon: added to the root of that mean, of the same optimizers; torch's, 1e-8, when left out. Gradients far below it
            change nothing. [1]
        schedule: how the rate falls after the warm-up: along a "cosine", a line, "exponential", or not at all.
        warm_up: steps over which the rate rises from 0. [steps]
        final_rate: share of the rate at the last step, to which it falls. [1]
        clip: largest norm of the gradients; 0 for no limit. [1]
        normalise: divide each parameter's gradient by its norm first, to bound the gradients of long rollouts.
        average: share of the averaged weights that is kept in a step; 0 for no average. The averaged weights are the result.
            [1]
        precision: of the network: "auto", "fp32", "bf16" or "fp16"; "auto" on a GPU and "fp32" on a CPU when left out.
        compile: step through `torch.compile`: true, or one of its modes.
        deterministic: equal results from every training on the same machine; slower on a GPU.
        validate_every: steps between two validations, each with a checkpoint. [steps]
        patience: validations without improvement after which the training ends; 0 for no such end. [validations]
    """

    steps: int = Setting(gt=0)
    optimizer: OptimizerName = "adamw"
    schedule: ScheduleName = "cosine"
    micro_batch: int | None = Setting(default=None, gt=0, examples=["micro_batch = 4"])
    learning_rate: float = Setting(default=1e-3, gt=0)
    weight_decay: float = Setting(default=0.0, ge=0)
    beta2: float | None = Setting(default=None, ge=0, lt=1, examples=["beta2 = 0.99"])
    epsilon: float | None = Setting(default=None, gt=0, examples=["epsilon = 1e-12"])
    warm_up: int = Setting(default=50, ge=0)
    final_rate: float = Setting(default=0.01, ge=0, le=1)
    clip: float = Setting(default=1.0, ge=0)
    normalise: bool = False
    average: float = Setting(default=0.0, ge=0, lt=1)
    precision: Literal["auto"] | TrainingPrecision | None = Setting(default=None, examples=['precision = "bf16"'])
    compile: bool | CompileMode = False
    deterministic: bool = False
    validate_every: int = Setting(default=200, gt=0)
    patience: int = Setting(default=0, ge=0)

    @field_validator("beta2", "epsilon")
    @classmethod
    def _has_it(cls, given: float | None, info: ValidationInfo) -> float | None:
        optimizer = info.data.get("optimizer", "adamw")
        if given is not None and optimizer not in ADAM_LIKE:
            raise ValueError(f"{optimizer} has none; expected one of the optimizers {', '.join(ADAM_LIKE)}")
        return given
