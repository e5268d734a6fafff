"""Configs of trainings with an objective by name."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict
from pydantic import Field as Setting

from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.runs.config import to_toml
from aetheria.runs.config_tables import GridConfig, LawConfig
from aetheria.training.optim_config import OptimConfig


class ObjectiveConfig(Settings):
    """The parameters of the objective; which there are depends on it."""

    model_config = ConfigDict(extra="allow")

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters, not yet checked."""
        return dict(self.model_extra or {})


class TaskTrainConfig(OptimConfig):
    """Settings of a training with an objective by name.

    Attributes:
        objective: its name; the table [objective] has its parameters.
        batch: samples of a step; "auto" for the most that fit into memory, found by trying. [samples]
        rollout: fewest and most steps of the law in a step of the training. [steps]
        checkpoint: steps between cells stored for the gradients; those between are recomputed. All are stored when left
            out. [steps]
        pool: states kept as starting points of later steps; 0 for new ones in every step. [states]
        fresh: with a pool, share of a batch that is new. [1]
        learn: controls of the law that are learned, too, as ["decay"].
        validation: samples of a validation. [samples]
        validation_rollout: steps of the law in a validation; as many as in the longest rollout when left out. [steps]
        keep: number of best weights that are kept, with notes and pictures, in the folder `best`. [weights]
    """

    objective: str = Setting(examples=['objective = "rule"'])
    batch: Annotated[int, Setting(gt=0)] | Literal["auto"] = 8
    rollout: list[int] = Setting(default=[1, 1], min_length=2, max_length=2)
    checkpoint: int | None = Setting(default=None, gt=0, examples=["checkpoint = 8"])
    pool: int = Setting(default=0, ge=0)
    fresh: float = Setting(default=0.25, ge=0, le=1)
    learn: list[str] = Setting(default_factory=list)
    validation: int = Setting(default=16, gt=0)
    validation_rollout: int | None = Setting(default=None, gt=0, examples=["validation_rollout = 200"])
    keep: int = Setting(default=0, ge=0, le=1000)


class TaskConfig(Settings):
    """A training with an objective by name.

    Attributes:
        title: of the training and the runs of its result.
        d_state: channels, only for a registered module that does not state them. [1]
        seed: of samples and stochastic laws; [law] seed is that of the first weights. [1]
        device: "auto" (CUDA if there is a GPU), "cpu", "cuda" or "cuda:<number>".
    """

    title: str = ""
    d_state: int | None = Setting(default=None, gt=0, examples=["d_state = 8"])
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    device: str = "auto"
    law: LawConfig
    grid: GridConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    train: TaskTrainConfig

    @classmethod
    def checked(cls, values: Any, where: str) -> "TaskConfig":
        """Reads `values`; raises ConfigError as `Settings.checked` does, and for contradictory sides or rollouts."""
        config = super().checked(values, where)
        _ = config.grid.sides
        first, last = config.train.rollout
        if not 1 <= first <= last:
            raise ConfigError(
                f"[train] rollout: {config.train.rollout} given; expected [fewest, most] with 1 <= fewest <= most"
            )
        return config

    def to_toml(self) -> str:
        """This config with every default filled in, as TOML."""
        return to_toml(self)
