"""Reference of the configs, from their models: every key with its values, unit, default, meaning and an example."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import tomli_w
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic_core import PydanticUndefined

from aetheria.core.settings import Settings
from aetheria.runs.config import RunConfig
from aetheria.sweep.sweep_config import SweepConfig
from aetheria.training.task_config import TaskConfig
from aetheria.training.train_config import GrowConfig, TrainConfig
from site_pages.docstrings import code, described, summary, table
from site_pages.folders import CONFIGS

_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false", Any: "any value"}
_UNIT = re.compile(r'\s*\[([^\[\],"]+)\]\.?$')


class Key(NamedTuple):
    """A key of a table: its name, values, unit, default and example in TOML, and meaning."""

    name: str
    values: str
    unit: str
    default: str
    meaning: str
    example: str


class Table(NamedTuple):
    """A table of a config, by its dotted name ("" for the top), with its own keys."""

    name: str
    model: type[Settings]
    keys: list[Key]


def run_config_page() -> str:
    """The page on the configs of `aetheria run`."""
    intro = """# Configuration of a run

A config of `aetheria run` and `aetheria view` is a file in TOML. Keys that are left out have their defaults; unknown ones are
refused. Any key can be changed on the command line: `--set record.every=5`. [The gallery](../gallery.md) has every shipped
config.
"""
    return "\n".join([intro, *map(_section, tables(RunConfig))])


def training_config_page() -> str:
    """The page on the configs of `aetheria train`."""
    imitation = ["## Learning from recordings", "For configs with a table `[data]`.", *map(_section, tables(TrainConfig))]
    growth = ["## Growing a picture", "For configs with a table `[picture]`.", *map(_section, tables(GrowConfig))]
    tasks = ["## Objectives by name", "For configs with `[train] objective`.", *map(_section, tables(TaskConfig))]
    intro = "# Configuration of a training\n\nA config of `aetheria train`; see also [training](../training.md).\n"
    return "\n\n".join([intro, *(text.replace("\n## ", "\n### ") for text in imitation + growth + tasks)])


def sweep_config_page() -> str:
    """The page on the configs of `aetheria sweep`."""
    intro = "# Configuration of a sweep\n\nA config of `aetheria sweep`; see also [sweeps](../sweeps.md).\n"
    return "\n".join([intro, *map(_section, tables(SweepConfig))])


def tables(model: type[Settings], name: str = "") -> Iterator[Table]:
    """The tables of a config, the top one first."""
    below: list[tuple[str, type[Settings]]] = []
    keys = []
    for key in model.model_fields:
        inner = _settings_in(model.model_fields[key].annotation)
        if inner is None:
            keys.append(_key(model, name, key))
        else:
            below.append((f"{name}.{key}".strip("."), inner))
    yield Table(name, model, keys)
    for dotted, inner in below:
        yield from tables(inner, dotted)


def _section(one: Table) -> str:
    heading = f"## `[{one.name}]`" if one.name else "## Top level"
    heads = ("key", "values", "unit", "default", "meaning", "example")
    rows = [(code(k.name), k.values, k.unit, code(k.default), k.meaning, code(k.example)) for k in one.keys]
    more = "\nThe law's own parameters stand in this table, too: [parameters of the laws](law_parameters.md).\n" * (
        one.name == "law"
    )
    return f"\n{heading}\n\n{summary(one.model.__doc__)}\n{more}\n{table(heads, rows)}\n"


def _key(model: type[Settings], where: str, name: str) -> Key:
    field = model.model_fields[name]
    meaning = _meaning(model, name)
    unit = _UNIT.search(meaning)
    default = field.get_default(call_default_factory=True, validated_data={})
    shown = "" if default in (None, PydanticUndefined) else toml(default)
    values = described_type(field.annotation, field.metadata) + (", required" if field.is_required() else "")
    example = _shipped_example(where, name) or next(iter(field.examples or []), "") or (f"{name} = {shown}" if shown else "")
    return Key(name, values, unit[1] if unit else "", shown, _UNIT.sub("", meaning), example)


def _meaning(model: type[Settings], name: str) -> str:
    for one in model.__mro__:
        found = described(one.__doc__, "Attributes").get(name)
        if found:
            return found
    return ""


def described_type(annotation: Any, limits: Sequence[Any] = ()) -> str:
    """The values of a type, in words: "whole number > 0", '"a" or "b"', "list of 2 numbers"."""
    if hasattr(annotation, "__value__"):  # a type with a name
        return described_type(annotation.__value__, limits)
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Annotated:
        field = [limit for one in inner[1:] for limit in getattr(one, "metadata", [one])]
        return described_type(inner[0], [*field, *limits])
    if kind in (Union, UnionType):
        return " or ".join(dict.fromkeys(described_type(one, limits) for one in inner if one is not NoneType))
    if kind is Literal:
        return ", ".join(f'`"{value}"`' for value in inner)
    if kind in (list, tuple):
        return f"list of {_length(limits)}{described_type(inner[0])}".removesuffix(" ...")
    if kind is dict:
        return f"table of {described_type(inner[1])}"
    bounds = [
        f"{sign} {getattr(one, attribute)}" for one in limits for kind_, sign, attribute in _BOUNDS if isinstance(one, kind_)
    ]
    return f"{_WORDS.get(annotation, 'table')} {', '.join(map(_short, bounds))}".strip()


_BOUNDS = ((Gt, ">", "gt"), (Ge, "≥", "ge"), (Lt, "<", "lt"), (Le, "≤", "le"))


def _length(limits: Sequence[Any]) -> str:
    least = next((one.min_length for one in limits if isinstance(one, MinLen)), None)
    most = next((one.max_length for one in limits if isinstance(one, MaxLen)), None)
    return "" if most is None else f"{most}: " if least == most else f"{least or 0} to {most}: "


def _short(bound: str) -> str:
    return bound.replace(str(1 << 63), "2^63").replace(str(1 << 20), "2^20")


def _settings_in(annotation: Any) -> type[Settings] | None:
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, Settings):
            return one
    return None


def toml(value: Any) -> str:
    """A value in TOML, on one line."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").strip()


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[\w-]+", key, re.ASCII) else toml(key)


@cache
def _shipped() -> list[dict[str, Any]]:
    return [tomllib.loads(path.read_text("utf-8")) for path in sorted(CONFIGS.rglob("*.toml"))]


def _shipped_example(where: str, name: str) -> str:
    """The key as the first shipped config has it that sets it."""
    for values in _shipped():
        found: Any = values
        for part in filter(None, where.split(".")):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        if isinstance(found, dict) and name in found:
            return f"{name} = {toml(found[name])}"
    return ""
