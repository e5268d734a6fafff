"""A training described in TOML: which law, from which recordings, how."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field as Setting

from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.runs.config import LawTable, find_config, read_settings
from aetheria.runs.config import to_toml as dumped
from aetheria.training.rollout import LossName
from aetheria.training.setup import TrainingPrecision
from aetheria.training.trajectories import Split


class Data(Settings):
    """What to learn from.

    Attributes:
        recordings: files or patterns ("runs/*.h5"), beside the config.
        stride: recorded frames to a step of the law.
        crop: (height, width) of a random part of the grid for each sample; None for the whole grid.
        symmetries: turn and mirror samples at random; only for laws that have the symmetries of the square.
        periodic: the recorded grid is a torus.
        validation: share held out.
        split: by "run" (each universe of a recording is one) or by "time" (the end of each run).
        workers: processes that read; 0 for a thread of the trainer's own.
    """

    recordings: list[str] = Setting(min_length=1)
    stride: int = Setting(default=1, gt=0)
    crop: list[int] | None = Setting(default=None, min_length=2, max_length=2)
    symmetries: bool = False
    periodic: bool = True
    validation: float = Setting(default=0.2, gt=0, lt=1)
    split: Split = "run"
    workers: int = Setting(default=0, ge=0, le=64)


class OptimConfig(Settings):
    """How to train, whatever is learned.

    Attributes:
        steps: of the optimizer.
        micro_batch: samples at a time of a step's batch (all that fit, when left out).
        learning_rate, weight_decay: of AdamW. The rate rises over `warm_up` steps and falls along a cosine to its `final_rate`.
        clip: largest norm of the gradients; 0 for any.
        normalise: divide each parameter's gradient by its norm first, so that a long rollout's cannot throw the weights about.
        average: share of the averaged weights that is kept in a step; 0 for no average. The averaged weights are the result.
        precision: of the network: "auto", "fp32", "bf16" or "fp16".
        compile: step through `torch.compile`.
        deterministic: the same result from every training on the same machine; slower on a GPU.
        validate_every: steps between two looks at how good it is, and between two checkpoints.
        patience: looks without improvement after which it ends; 0 for none.
    """

    steps: int = Setting(gt=0)
    micro_batch: int | None = Setting(default=None, gt=0)
    learning_rate: float = Setting(default=1e-3, gt=0)
    weight_decay: float = Setting(default=0.0, ge=0)
    warm_up: int = Setting(default=50, ge=0)
    final_rate: float = Setting(default=0.01, ge=0, le=1)
    clip: float = Setting(default=1.0, ge=0)
    normalise: bool = False
    average: float = Setting(default=0.0, ge=0, lt=1)
    precision: Literal["auto"] | TrainingPrecision = "fp32"
    compile: bool = False
    deterministic: bool = False
    validate_every: int = Setting(default=200, gt=0)
    patience: int = Setting(default=0, ge=0)


class Train(OptimConfig):
    """How to learn from recordings.

    Attributes:
        batch: samples of a step; "auto" for the most that fit into memory, found by trying.
        rollout: steps of the law in a sample at first and at last; it grows over the share `curriculum` of the training.
        loss, noise, truncate, checkpoint, conserve: see `aetheria.training.rollout.Rollout`.
        learn: controls of the law that are learned too, as ["decay"].
        horizon: steps of the rollouts that validate.
    """

    batch: Annotated[int, Setting(gt=0)] | Literal["auto"] = 8
    rollout: list[int] = Setting(default=[1, 1], min_length=2, max_length=2)
    curriculum: float = Setting(default=0.5, ge=0, le=1)
    loss: LossName = "squared"
    noise: float = Setting(default=0.0, ge=0)
    truncate: int | None = Setting(default=None, gt=0)
    checkpoint: int | None = Setting(default=None, gt=0)
    conserve: dict[str, float] = Setting(default_factory=dict)
    learn: list[str] = Setting(default_factory=list)
    horizon: int = Setting(default=20, gt=0)

    def frames(self, step: int) -> int:
        """Frames of a sample at this step of the training: one more than the steps of its rollout."""
        first, last = self.rollout
        grown = 1.0 if not self.curriculum else min(1.0, step / (self.curriculum * self.steps))
        return 1 + first + round(grown * (last - first))


class TrainConfig(Settings):
    """A training from recordings to a law.

    Attributes:
        d_state: only for a registered module that does not state its channels.
        seed: of samples, noise and stochastic laws; that of the first weights is the law's own.
    """

    title: str = ""
    d_state: int | None = Setting(default=None, gt=0)
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    device: str = "auto"
    law: LawTable
    data: Data
    train: Train

    def to_toml(self) -> str:
        """This configuration with every default filled in, as TOML."""
        return dumped(self)


def load_train_config(path: str | Path, overrides: list[str] | None = None) -> TrainConfig:
    """Reads a training from a TOML file; recordings and weights are looked for beside it.

    Raises:
        FileUnreadableError: no such file, or not text.
        ConfigError: no TOML, or settings that are unknown, missing or wrong; one line each.
    """
    path = find_config(path)
    values = read_settings(path, overrides)
    data = values.get("data")
    if isinstance(data, dict) and isinstance(data.get("recordings"), list):
        folder = path.parent.resolve()
        data["recordings"] = [str(folder / name) if isinstance(name, str) else name for name in data["recordings"]]
    config = TrainConfig.checked(values, "")
    first, last = config.train.rollout
    if not 1 <= first <= last:
        raise ConfigError(f"[train] rollout: {config.train.rollout} given; expected [first, last] with 1 <= first <= last")
    return config


class Picture(Settings):
    """What to grow: an image, or an emoji.

    Attributes:
        path: of a PNG or another image, beside the config.
        emoji: a character, as the emoji font of this machine draws it.
        size: cells of its longer side; its own pixels when left out.
        grid: (height, width) that it grows in, in the middle.
    """

    path: str = ""
    emoji: str = Setting(default="", max_length=16)
    size: int | None = Setting(default=None, gt=0, le=1024)
    grid: list[int] = Setting(min_length=2, max_length=2)


class Nursery(OptimConfig):
    """How to grow a picture.

    Attributes:
        batch: states of a step.
        rollout: fewest and most steps of the law in a step of the training.
        pool: states that are kept to go on from.
        damaged: of a batch, how many lose a disc or half of themselves, so that the law learns to heal.
    """

    batch: int = Setting(default=8, gt=0)
    rollout: list[int] = Setting(default=[32, 48], min_length=2, max_length=2)
    pool: int = Setting(default=256, gt=0)
    damaged: int = Setting(default=2, ge=0)
    normalise: bool = True


class GrowConfig(Settings):
    """A training from a picture to a law that grows it.

    Attributes:
        seed: of what is drawn; that of the first weights is the law's own.
    """

    title: str = ""
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    device: str = "auto"
    law: LawTable
    picture: Picture
    train: Nursery

    def to_toml(self) -> str:
        """This configuration with every default filled in, as TOML."""
        return dumped(self)


def load_training(path: str | Path, overrides: list[str] | None = None) -> TrainConfig | GrowConfig:
    """Reads a training of either kind: one with a [picture] grows it; raises as `load_train_config` does."""
    path = find_config(path)
    values = read_settings(path, overrides)
    if "picture" not in values:
        return load_train_config(path, overrides)
    picture = values["picture"]
    if isinstance(picture, dict) and isinstance(picture.get("path"), str) and picture["path"]:
        picture["path"] = str(path.parent.resolve() / picture["path"])
    config = GrowConfig.checked(values, "")
    if bool(config.picture.path) == bool(config.picture.emoji):
        raise ConfigError("[picture]: expected a path, or an emoji, and not both")
    return config
