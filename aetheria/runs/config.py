"""Run configs: read from TOML, checked, completed with defaults, and written back."""

import copy
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field as Setting

from aetheria.core.device import times
from aetheria.core.errors import ConfigError, FileUnreadableError, nearest
from aetheria.core.notebook import html_table
from aetheria.core.printable import counted, printable
from aetheria.core.settings import Settings
from aetheria.core.shell import shell_quoted
from aetheria.files.recognise import recognised
from aetheria.files.untrusted import MAX_TOML_BYTES, check_input, read_toml
from aetheria.laws import find_law, parameters
from aetheria.laws.rules import read_rule
from aetheria.motor.initial import Initial
from aetheria.motor.motor_config import MotorConfig
from aetheria.runs.config_tables import CheckpointConfig, GridConfig, LawConfig, PictureConfig, RecordConfig

_FILE_KEYS = (("law", "weights"), ("law", "collection"), ("initial", "path"))  # settings whose value is a file name
_WANTED = "a config (.toml)"


class RunConfig(Settings):
    """A run from initial cells to recording.

    Attributes:
        title: of the recording and the window.
        d_state: channels, only for a registered module that does not state them. [1]
        steps: number of steps. [steps]
        seed: of random initial cells and of stochastic laws. [1]
        batch: number of universes, stepped together. [universes]
        device: "auto" (CUDA if there is a GPU), "cpu", "cuda" or "cuda:<number>".
    """

    title: str = ""
    d_state: int | None = Setting(default=None, gt=0, examples=["d_state = 8"])
    steps: int = Setting(gt=0, examples=["steps = 1000"])
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    batch: int = Setting(default=1, gt=0)
    device: str = "auto"
    grid: GridConfig = Setting(examples=["grid = { height = 256, width = 256 }"])
    law: LawConfig = Setting(examples=['law = { name = "Life" }'])
    initial: Initial | None = None
    motor: MotorConfig = MotorConfig()
    record: RecordConfig = RecordConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    picture: PictureConfig = PictureConfig()

    @classmethod
    def checked(cls, values: Any, where: str) -> Self:
        """Reads `values`; raises ConfigError as `Settings.checked` does, and for a grid of contradictory or missing sides."""
        config = super().checked(_with_law_of_rule(values), where)
        _ = config.grid.sides
        return config

    @classmethod
    def places(cls, values: Any) -> dict[str, list[str]]:
        """The places of known keys, with the parameters of the law that `values` name."""
        found = super().places(values)
        law = values.get("law") if isinstance(values, dict) else None
        name = law.get("name") if isinstance(law, dict) else None
        if isinstance(name, str):
            with suppress(ConfigError):
                for parameter in parameters(find_law(name)):
                    found.setdefault(parameter, []).append(f"law.{parameter}")
        return found

    @classmethod
    def from_toml(cls, text: str, where: str) -> Self:
        """A config from TOML as `to_toml` writes it. Raises ConfigError, which names `where` if the text is not TOML."""
        return cls.checked(read_toml(text, where), "")

    def to_toml(self) -> str:
        """This config with every default filled in, as TOML."""
        return to_toml(self)

    def named_files(self) -> list[Path]:
        """The files that the config names, whether they exist or not."""
        values = self.model_dump()
        named = [(values.get(table) or {}).get(key) for table, key in _FILE_KEYS]
        rule = self.law.parameters.get("rule")
        if isinstance(rule, str) and rule.endswith(".rule"):
            named.append(rule)
        return [Path(name) for name in named if isinstance(name, str)]

    def __repr__(self) -> str:
        title = f' "{self.title}"' if self.title else ""
        return printable(f"<RunConfig{title}: {', '.join(self._overview().values())}>")

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return html_table("RunConfig", {"title": self.title, **self._overview()}, more=self.to_toml())

    def _overview(self) -> dict[str, str]:
        universes = f", {counted(self.batch, 'universe')}" if self.batch > 1 else ""
        rule = self.law.parameters.get("rule")
        return {
            "law": self.law.name + (f" {rule}" if rule else ""),
            "cells": f"{times(self.grid.sides)} cells{universes}",
            "length": counted(self.steps, "step"),
            "seed": f"seed {self.seed}",
        }


def to_toml(settings: Settings) -> str:
    """Settings with every default filled in, as TOML."""
    return tomli_w.dumps(_without_none(settings.model_dump(mode="json")))


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Reads the config of a run from a TOML file, or a shipped one by its name ("quickstart").

    Args:
        path: file names in the config (weights, patterns) are relative to its folder.
        overrides: "key=value" with dotted keys, as in "law.decay=0.1"; values in TOML, bare words are strings.

    Raises:
        FileUnreadableError: the file does not exist or is not text.
        ConfigError: the file is not TOML, or settings are unknown, missing or wrong; one line each.
    """
    path = find_config(path)
    values = read_settings(path, overrides)
    if "train" in values:
        raise ConfigError(
            f"{path}: is the config of a training, with a table [train]; `aetheria train {shell_quoted(path)}` runs it"
        )
    return RunConfig.checked(values, "")


def is_config(given: str) -> bool:
    """Whether a text is to be read as a config: a file of one, the name of a shipped one, or a file that is no pattern."""
    path = Path(given)
    if path.suffix == ".toml" or given in shipped_configs():
        return True
    kind = recognised(path)
    return path.exists() if kind is None else kind.key != "pattern"


def changed_config(config: RunConfig, overrides: list[str] | None) -> RunConfig:
    """A config with settings changed by `overrides`, as for `load_config`."""
    values = config.model_dump(mode="json", exclude_none=True)
    for override in overrides or []:
        _apply_override(values, override)
    return RunConfig.checked(values, "")


def read_settings(path: Path, overrides: list[str] | None = None) -> dict[str, Any]:
    """The values of a TOML file, changed by `overrides`, with file names made absolute; not yet checked.

    Raises:
        FileUnreadableError, ConfigError: as for `load_config`.
    """
    size = check_input(path, _WANTED)
    kind = recognised(path)
    if kind is not None and kind.key != "config":
        raise FileUnreadableError(f"{path}: {kind.instead_of(_WANTED)}")
    try:
        if size > MAX_TOML_BYTES:
            raise ConfigError(f"{path}: {size:,} bytes, larger than the {MAX_TOML_BYTES:,} that a config may have")
        values = read_toml(path.read_text("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise FileUnreadableError(f"{path}: cannot be read; {error}") from error
    for override in overrides or []:
        _apply_override(values, override)
    return _with_absolute_paths(values, path.parent.resolve())


def with_settings(values: dict[str, Any], changes: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values of a config with settings changed, by dotted key; file names in the changes are relative to `folder`.

    Raises:
        ConfigError: a key leads through a value that is not a table.
    """
    changed = copy.deepcopy(values)
    for key, value in changes.items():
        *tables, last = key.split(".")
        table = changed
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{key}: {name} is not a table in the config")
        table[last] = value
    return _with_absolute_paths(changed, folder)


def find_config(path: str | Path) -> Path:
    """The file itself, or the shipped config of that name. Raises FileUnreadableError when there is neither."""
    given = Path(path)
    if given.is_file():
        return given
    shipped = shipped_configs()
    if str(path) in shipped:
        return shipped[str(path)]
    if given.exists() or given.is_symlink():
        check_input(given, _WANTED)
    raise FileUnreadableError(f"{path}: no such file, nor a shipped config; {nearest(given.stem, list(shipped))}")


def shipped_configs() -> dict[str, Path]:
    """The configs that come with Aetheria, by name: inside an installed package, beside it in a checkout."""
    return _shipped("*.toml")


def shipped_sweeps() -> dict[str, Path]:
    """The sweeps that come with Aetheria, by name."""
    return _shipped("sweeps/*.toml")


def _shipped(files: str) -> dict[str, Path]:
    package = Path(str(resources.files("aetheria")))
    folder = next((f for f in (package / "configs", package.parent / "configs") if f.is_dir()), None)
    return {file.stem: file for file in sorted(folder.glob(files))} if folder else {}


def _with_law_of_rule(values: Any) -> Any:
    """The values of a config whose [law] has a rule and no name: with the law that runs it, and its bounded grid, if any."""
    law = values.get("law") if isinstance(values, dict) else None
    if not isinstance(law, dict) or "name" in law or not isinstance(law.get("rule"), str):
        return values
    rule = read_rule(law["rule"], "[law] rule")
    if rule.law is None:
        raise ConfigError(f"[law] rule: {rule.text}: {rule.family}; no law of Aetheria runs it yet")
    others = {key: value for key, value in law.items() if key != "rule"}
    values = {**values, "law": {"name": rule.law, **rule.settings, **others}}
    if rule.grid is not None:
        if rule.grid.boundary is None:
            raise ConfigError(f"[law] rule: {rule}: a {rule.grid}; expected two sides")
        values["law"].setdefault("boundary", rule.grid.boundary)
        values.setdefault("grid", {"height": rule.grid.height, "width": rule.grid.width})
    return values


def _apply_override(values: dict[str, Any], override: str) -> None:
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
    if (*tables, last) in _FILE_KEYS and isinstance(values[last], str):
        values[last] = str(Path(values[last]).resolve())  # relative to the current folder, not to the config's


def _with_absolute_paths(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    resolved = dict(values)
    for table, key in _FILE_KEYS:
        inner = resolved.get(table)
        if isinstance(inner, dict) and isinstance(inner.get(key), str):
            resolved[table] = {**inner, key: os.path.normpath(folder / inner[key])}
    law = resolved.get("law")
    if isinstance(law, dict) and isinstance(law.get("rule"), str) and law["rule"].endswith(".rule"):
        resolved["law"] = {**law, "rule": os.path.normpath(folder / law["rule"])}  # a file of a table, not a notation
    return resolved


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
