"""Training configs: read from TOML, checked and completed with defaults."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field as Setting

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.core.settings import Settings
from aetheria.core.shell import shell_quoted
from aetheria.files.untrusted import read_toml
from aetheria.runs.config import find_config, read_settings, to_toml
from aetheria.runs.config_tables import LawConfig
from aetheria.training.damage import DEFAULT, Shape
from aetheria.training.optim_config import OptimConfig as OptimConfig
from aetheria.training.rollout import LossName
from aetheria.training.task_config import TaskConfig
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
        return to_toml(self)


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


class DamageConfig(Settings):
    """The damage of states in the pool, instead of `damaged`; see `aetheria.training.damage`.

    Attributes:
        share: of a batch's states that are damaged. [1]
        shapes: of which one is drawn for each state: "disc", "side" (of a line), "half" (left, right, top, bottom), "square",
            "ring", "noise".
        begin: share of the training at which damage begins. [1]
        full: share of the training at which it has risen to `share`. [1]
    """

    share: float = Setting(default=0.25, ge=0, lt=1)
    shapes: list[Shape] = Setting(default_factory=lambda: list(DEFAULT), min_length=1)
    begin: float = Setting(default=0.0, ge=0, le=1)
    full: float = Setting(default=0.0, ge=0, le=1)


class GrowthPoolConfig(OptimConfig):
    """Settings of a training that grows a picture.

    Attributes:
        batch: states of a step; "auto" for the most that fit into memory, found by trying. [states]
        rollout: fewest and most steps of the law in a step of the training. [steps]
        pool: number of states kept as starting points. [states]
        damaged: states of a batch that lose a disc or a half, so that the law learns to heal. [states]
        checkpoint: steps between cells stored for the gradients; those between are recomputed. All are stored when left
            out. [steps]
    """

    batch: Annotated[int, Setting(gt=0)] | Literal["auto"] = 8
    rollout: list[int] = Setting(default=[32, 48], min_length=2, max_length=2)
    pool: int = Setting(default=256, gt=0)
    damaged: int = Setting(default=2, ge=0)
    checkpoint: int | None = Setting(default=None, gt=0, examples=["checkpoint = 8"])
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
    damage: DamageConfig | None = None
    train: GrowthPoolConfig

    def to_toml(self) -> str:
        """This config with every default filled in, as TOML."""
        return to_toml(self)


def load_training(path: str | Path, overrides: list[str] | None = None) -> TrainConfig | GrowConfig | TaskConfig:
    """Reads a training from a TOML file: with `[train] objective` one for a task, with a [picture] one that grows it.

    Raises as `load_train_config` does.
    """
    path = find_config(path)
    values = read_settings(path, overrides)
    train = values.get("train")
    if train is None and {"steps", "grid"} & values.keys():
        raise ConfigError(
            f"{path}: is the config of a run, without a table [train]; `aetheria run {shell_quoted(path)}` runs it"
        )
    if "objective" in values or (isinstance(train, dict) and "objective" in train):
        return _task_config(values, path.parent.resolve())
    if "picture" not in values:
        return load_train_config(path, overrides)
    picture = values["picture"]
    if isinstance(picture, dict) and isinstance(picture.get("path"), str) and picture["path"]:
        picture["path"] = str(path.parent.resolve() / picture["path"])
    config = GrowConfig.checked(values, "")
    if bool(config.picture.path) == bool(config.picture.emoji):
        raise ConfigError("[picture]: expected a path, or an emoji, and not both")
    return config


def _task_config(values: dict[str, Any], folder: Path) -> TaskConfig:
    """The config of a task; keys `path`, `..._path` and `paths` of its objective are files relative to the config's folder."""
    objective = values.get("objective")
    if isinstance(objective, dict):
        values["objective"] = {key: _resolved(key, value, folder) for key, value in objective.items()}
    return TaskConfig.checked(values, "")


def _resolved(key: str, value: Any, folder: Path) -> Any:
    if key == "paths" and isinstance(value, list):
        return [_resolved("path", one, folder) for one in value]
    is_path = key == "path" or key.endswith("_path")
    return str(folder / value) if is_path and isinstance(value, str) and value else value


def completed(config: TrainConfig | GrowConfig | TaskConfig) -> Callable[[str], str]:
    """Fills in the settings that the config of a training by an earlier version did not have; see `train_state.load`."""

    def complete(saved: str) -> str:
        try:
            old = type(config).checked(read_toml(saved, "the saved config"), "")
        except AetheriaError:
            return saved
        if old.train.precision == "fp32" and config.train.precision is None:  # the default before
            old = old.model_copy(update={"train": old.train.model_copy(update={"precision": None})})
        return to_toml(old)

    return complete
