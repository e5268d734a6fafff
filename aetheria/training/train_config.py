"""Training configs: read from TOML, checked and completed with defaults."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field as Setting

from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.core.shell import shell_quoted
from aetheria.runs.config import find_config, read_settings
from aetheria.runs.config import to_toml as dumped
from aetheria.runs.config_tables import LawConfig
from aetheria.training.rollout import LossName
from aetheria.training.setup import TrainingPrecision
from aetheria.training.trajectories import Split


class DataConfig(Settings):
    """The recordings to learn from, and their use.

    Attributes:
        recordings: files or patterns ("runs/*.h5"), relative to the config's folder.
        stride: recorded frames per step of the law. [frames]
        crop: (height, width) of a random part of the grid for each sample; None for the whole grid. [cells]
        symmetries: rotate and mirror samples at random; only for laws that have the symmetries of the square.
        periodic: the recorded grid is a torus.
        validation: share of the data held out for validation. [1]
        split: by "run" (each universe of a recording counts as a run) or by "time" (the end of each run).
        workers: number of processes that read; 0 for a thread of the training process. [processes]
    """

    recordings: list[str] = Setting(min_length=1)
    stride: int = Setting(default=1, gt=0)
    crop: list[int] | None = Setting(default=None, min_length=2, max_length=2, examples=["crop = [64, 64]"])
    symmetries: bool = False
    periodic: bool = True
    validation: float = Setting(default=0.2, gt=0, lt=1)
    split: Split = "run"
    workers: int = Setting(default=0, ge=0, le=64)


class OptimConfig(Settings):
    """Settings of the optimizer and the training loop, common to all objectives.

    Attributes:
        steps: number of steps of the optimizer. [steps]
        micro_batch: samples computed at a time; all of a batch that fit, when left out. [samples]
        learning_rate: highest rate of AdamW. [1]
        weight_decay: of AdamW. [1]
        warm_up: steps over which the rate rises from 0. [steps]
        final_rate: share of the rate at the last step, to which it falls along a cosine. [1]
        clip: largest norm of the gradients; 0 for no limit. [1]
        normalise: divide each parameter's gradient by its norm first, to bound the gradients of long rollouts.
        average: share of the averaged weights that is kept in a step; 0 for no average. The averaged weights are the result.
            [1]
        precision: of the network: "auto", "fp32", "bf16" or "fp16".
        compile: step through `torch.compile`.
        deterministic: equal results from every training on the same machine; slower on a GPU.
        validate_every: steps between two validations, each with a checkpoint. [steps]
        patience: validations without improvement after which the training ends; 0 for no such end. [validations]
    """

    steps: int = Setting(gt=0)
    micro_batch: int | None = Setting(default=None, gt=0, examples=["micro_batch = 4"])
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


class ImitationConfig(OptimConfig):
    """Settings of a training from recordings.

    Attributes:
        batch: samples of a step; "auto" for the most that fit into memory, found by trying. [samples]
        rollout: steps of the law in a sample, [first, last]; the number grows over the share `curriculum` of the training.
            [steps]
        curriculum: share of the training over which the rollout grows. [1]
        loss: of a step: mean "squared" or "absolute" error, or "cross_entropy" of cells that are probabilities of a 1.
        noise: standard deviation of noise added to the first cells, so that the law learns to correct errors. [1]
        truncate: steps through which gradients are carried back; all when left out. [steps]
        checkpoint: steps between cells stored for the gradients; those between are recomputed. All are stored when left
            out. [steps]
        conserve: weights in the loss of the change of each observable that is to be conserved. [1]
        learn: controls of the law that are learned, too, as ["decay"].
        horizon: steps of the rollouts for validation. [steps]
    """

    batch: Annotated[int, Setting(gt=0)] | Literal["auto"] = 8
    rollout: list[int] = Setting(default=[1, 1], min_length=2, max_length=2)
    curriculum: float = Setting(default=0.5, ge=0, le=1)
    loss: LossName = "squared"
    noise: float = Setting(default=0.0, ge=0)
    truncate: int | None = Setting(default=None, gt=0, examples=["truncate = 16"])
    checkpoint: int | None = Setting(default=None, gt=0, examples=["checkpoint = 8"])
    conserve: dict[str, float] = Setting(default_factory=dict)
    learn: list[str] = Setting(default_factory=list)
    horizon: int = Setting(default=20, gt=0)

    def frames(self, step: int) -> int:
        """Frames of a sample at a step of the training: one more than the steps of its rollout."""
        first, last = self.rollout
        grown = 1.0 if not self.curriculum else min(1.0, step / (self.curriculum * self.steps))
        return 1 + first + round(grown * (last - first))


class TrainConfig(Settings):
    """A training that learns a law from recordings.

    Attributes:
        title: of the training and the runs of its result.
        d_state: channels, only for a registered module that does not state them. [1]
        seed: of samples, noise and stochastic laws; [law] seed is that of the first weights. [1]
        device: "auto" (CUDA if there is a GPU), "cpu", "cuda" or "cuda:<number>".
    """

    title: str = ""
    d_state: int | None = Setting(default=None, gt=0, examples=["d_state = 8"])
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    device: str = "auto"
    law: LawConfig
    data: DataConfig
    train: ImitationConfig

    def to_toml(self) -> str:
        """This config with every default filled in, as TOML."""
        return dumped(self)


def load_train_config(path: str | Path, overrides: list[str] | None = None) -> TrainConfig:
    """Reads a training from recordings from a TOML file; file names are relative to its folder.

    Raises:
        FileUnreadableError: the file does not exist or is not text.
        ConfigError: the file is not TOML, or settings are unknown, missing or wrong; one line each.
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


class TargetConfig(Settings):
    """The picture to grow: an image or an emoji.

    Attributes:
        path: of a PNG or another image, relative to the config's folder.
        emoji: a character, drawn with an emoji font of this machine.
        size: cells of its longer side; its own pixels when left out. [cells]
        grid: (height, width) of the grid, whose middle it fills. [cells]
    """

    path: str = ""
    emoji: str = Setting(default="", max_length=16)
    size: int | None = Setting(default=None, gt=0, le=1024, examples=["size = 24"])
    grid: list[int] = Setting(min_length=2, max_length=2)


class GrowthPoolConfig(OptimConfig):
    """Settings of a training that grows a picture.

    Attributes:
        batch: states of a step. [states]
        rollout: fewest and most steps of the law in a step of the training. [steps]
        pool: number of states kept as starting points. [states]
        damaged: states of a batch that lose a disc or a half, so that the law learns to heal. [states]
    """

    batch: int = Setting(default=8, gt=0)
    rollout: list[int] = Setting(default=[32, 48], min_length=2, max_length=2)
    pool: int = Setting(default=256, gt=0)
    damaged: int = Setting(default=2, ge=0)
    normalise: bool = True


class GrowConfig(Settings):
    """A training that learns a law which grows a picture.

    Attributes:
        title: of the training and the runs of its result.
        seed: of samples, damage and fire masks; [law] seed is that of the first weights. [1]
        device: "auto" (CUDA if there is a GPU), "cpu", "cuda" or "cuda:<number>".
    """

    title: str = ""
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    device: str = "auto"
    law: LawConfig
    picture: TargetConfig
    train: GrowthPoolConfig

    def to_toml(self) -> str:
        """This config with every default filled in, as TOML."""
        return dumped(self)


def load_training(path: str | Path, overrides: list[str] | None = None) -> TrainConfig | GrowConfig:
    """Reads a training from a TOML file: with a [picture] one that grows it. Raises as `load_train_config` does."""
    path = find_config(path)
    values = read_settings(path, overrides)
    if "train" not in values and {"steps", "grid"} & values.keys():
        raise ConfigError(
            f"{path}: is the config of a run, without a table [train]; `aetheria run {shell_quoted(path)}` runs it"
        )
    if "picture" not in values:
        return load_train_config(path, overrides)
    picture = values["picture"]
    if isinstance(picture, dict) and isinstance(picture.get("path"), str) and picture["path"]:
        picture["path"] = str(path.parent.resolve() / picture["path"])
    config = GrowConfig.checked(values, "")
    if bool(config.picture.path) == bool(config.picture.emoji):
        raise ConfigError("[picture]: expected a path, or an emoji, and not both")
    return config
