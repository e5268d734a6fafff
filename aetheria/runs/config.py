"""Runs described in TOML: read, checked, resolved, and written back."""

import os
from importlib import resources
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import ConfigDict
from pydantic import Field as Setting

from aetheria.core.errors import ConfigError, FileUnreadableError, nearest
from aetheria.core.settings import Settings
from aetheria.files.untrusted import MAX_TOML_BYTES, check_input, read_toml
from aetheria.motor.initial import Initial
from aetheria.motor.motor import MotorConfig
from aetheria.observe.request import PixelType
from aetheria.recording.schema import Codec

_SIDE = 1 << 20
_FILES = (("law", "weights"), ("initial", "path"))  # settings that name a file


class Grid(Settings):
    """Size of the grid in cells."""

    height: int = Setting(gt=0, le=_SIDE)
    width: int = Setting(gt=0, le=_SIDE)


class LawTable(Settings):
    """Which law: its name, weights, the seed of untrained weights; every other key is a parameter of the law."""

    model_config = ConfigDict(extra="allow")

    name: str
    weights: str | None = None
    seed: int = Setting(default=0, ge=0, lt=1 << 63)

    @property
    def parameters(self) -> dict[str, Any]:
        """The law's own parameters, not yet checked."""
        return dict(self.model_extra or {})


class Record(Settings):
    """What goes into the recording: see `aetheria.recording.Recorder`."""

    every: int = Setting(default=10, gt=0)
    fields: list[str] | None = Setting(default=None, min_length=1)
    size: list[int] | None = Setting(default=None, min_length=2, max_length=2)
    dtype: PixelType = "float32"
    levels: dict[str, list[float]] = Setting(default_factory=dict)
    codec: Codec = "gzip"


class Checkpoint(Settings):
    """When the state is saved beside the recording, so that the run can be gone on with: whatever comes first.

    Attributes:
        every: steps between two, 0 for no such rule.
        minutes: between two, 0 for no such rule. With neither, none is ever saved; else one more at the end.
    """

    every: int = Setting(default=0, ge=0)
    minutes: float = Setting(default=10.0, ge=0)


class Picture(Settings):
    """The PNG that a run leaves beside its recording."""

    field: str | None = None
    colour_map: str | None = None
    levels: list[float] | None = Setting(default=None, min_length=2, max_length=2)
    scale: int = Setting(default=4, gt=0, le=64)


class RunConfig(Settings):
    """A run from initial cells to recording.

    Attributes:
        d_state: only for a registered module that does not state its channels.
        steps: how many to take.
        seed: of random initial cells and of stochastic laws.
        batch: universes that step together.
    """

    title: str = ""
    d_state: int | None = Setting(default=None, gt=0)
    steps: int = Setting(gt=0)
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    batch: int = Setting(default=1, gt=0)
    device: str = "auto"
    grid: Grid
    law: LawTable
    initial: Initial | None = None
    motor: MotorConfig = MotorConfig()
    record: Record = Record()
    checkpoint: Checkpoint = Checkpoint()
    picture: Picture = Picture()

    @classmethod
    def from_toml(cls, text: str, where: str) -> Self:
        """A configuration from TOML, such as `to_toml` writes. Raises ConfigError, as `where` when it is no TOML."""
        return cls.checked(read_toml(text, where), "")

    def to_toml(self) -> str:
        """This configuration with every default filled in, as TOML."""
        return to_toml(self)


def to_toml(settings: Settings) -> str:
    """Settings with every default filled in, as TOML."""
    return tomli_w.dumps(_without_none(settings.model_dump(mode="json")))


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Reads a run from a TOML file, or a shipped one by its name ("quickstart").

    Args:
        path: files that the config names (weights, patterns) are looked for beside it.
        overrides: "key=value" with dotted keys, as in "law.decay=0.1"; values in TOML, bare words are strings.

    Raises:
        FileUnreadableError: no such file, or not text.
        ConfigError: no TOML, or settings that are unknown, missing or wrong; one line each.
    """
    path = find_config(path)
    return RunConfig.checked(read_settings(path, overrides), "")


def read_settings(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """The values of a TOML file, changed by `overrides`, with the names of files it gives made absolute; not yet checked.

    Raises:
        FileUnreadableError, ConfigError: as for `load_config`.
    """
    try:
        if (size := check_input(path, "a config")) > MAX_TOML_BYTES:
            raise ConfigError(f"{path}: {size:,} bytes, larger than the {MAX_TOML_BYTES:,} that a config may have")
        values = read_toml(path.read_text("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise FileUnreadableError(f"{path}: cannot be read; {error}") from error
    for override in overrides or []:
        _override(values, override)
    return _resolved(values, path.parent.resolve())


def find_config(path: str | Path) -> Path:
    """The file itself, or the shipped config of that name. Raises FileUnreadableError when there is neither."""
    given = Path(path)
    if given.is_file():
        return given
    shipped = shipped_configs()
    if str(path) in shipped:
        return shipped[str(path)]
    raise FileUnreadableError(f"{path}: no such file, nor a shipped config; {nearest(given.stem, list(shipped))}")


def shipped_configs() -> dict[str, Path]:
    """The configs that come with Aetheria, by name: inside an installed package, beside it in a checkout."""
    package = Path(str(resources.files("aetheria")))
    folder = next((f for f in (package / "configs", package.parent / "configs") if f.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob("*.toml"))} if folder else {}


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *tables, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(f'--set {override}: expected key=value, as in "law.decay=0.1"')
    for name in tables:
        values = values.setdefault(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {name} is not a table")
    try:
        values[last] = read_toml(f"value = {text}", "--set")["value"]
    except ConfigError:
        values[last] = text.strip()
    if (*tables, last) in _FILES and isinstance(values[last], str):
        values[last] = str(Path(values[last]).resolve())  # the shell stands in the current folder, not beside the config


def _resolved(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`values` with file names made absolute."""
    resolved = dict(values)
    for table, key in _FILES:
        inner = resolved.get(table)
        if isinstance(inner, dict) and isinstance(inner.get(key), str):
            resolved[table] = {**inner, key: os.path.normpath(folder / inner[key])}
    return resolved


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
