"""Creatures of Lenia: the shipped ones, and collections in the format of B. W.-C. Chan's animals.json."""

import json
import math
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, FileUnreadableError, nearest
from aetheria.files.rle import read_rle
from aetheria.files.untrusted import check_input
from aetheria.laws.continuous.rings import Core, Growth
from aetheria.laws.forms import Animal

_CORES: tuple[Core, ...] = ("polynomial", "exponential", "step", "staircase")  # by the number kn, from 1 on
_GROWTHS: tuple[Growth, ...] = ("polynomial", "exponential", "step")  # by the number gn
_MOST_BYTES = 1 << 26
_MOST_CELLS = 1 << 26  # of a creature
_LAYER, _ROW = "%", "$"


@cache
def lenia_animals() -> dict[str, Animal]:
    """The creatures shipped with Aetheria, by code."""
    return {animal.code: animal for animal in animals_of(None)}


def lenia_animal(code: str) -> Animal:
    """The shipped creature of this code ("O2u" is Orbium) or name, in any case. Raises ConfigError when there is none."""
    return find_animal(code)


def find_animal(code: str, collection: str | None = None) -> Animal:
    """The first creature of this code, or else of this name, in any case.

    Args:
        collection: file of creatures; the shipped ones by default.

    Raises:
        ConfigError: no creature of this code or name. FileUnreadableError: a collection that cannot be read.
    """
    known = animals_of(collection)
    for label in ("code", "name"):
        for animal in known:
            if str(getattr(animal, label)).lower() == code.lower():
                return animal
    raise ConfigError(f'[law.lenia] animal: "{code}" given; {nearest(code, [animal.code for animal in known])}')


def animals_of(collection: str | None) -> tuple[Animal, ...]:
    """The creatures of a file, or the shipped ones, in its order. Raises FileUnreadableError when it cannot be read."""
    if collection is None:
        return _shipped()
    path = Path(collection)
    size = check_input(path, "a collection of creatures (.json)", _MOST_BYTES)
    return _read(str(path), path.stat().st_mtime_ns, size)


@cache
def _shipped() -> tuple[Animal, ...]:
    text = resources.files("aetheria.laws.continuous").joinpath("lenia_animals.json").read_text("utf-8")
    return parse_animals(text, "lenia_animals.json")


@cache
def _read(path: str, _changed: int, _size: int) -> tuple[Animal, ...]:
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileUnreadableError(f"{path}: cannot be read: {error}") from error
    return parse_animals(text, path)


def parse_animals(text: str, where: str) -> tuple[Animal, ...]:
    """The creatures of a collection: a JSON list of entries, or entries with commas between them.

    An entry has `code`, `name`, `params` and `cells`; entries without cells are headings and are left out. `params` has R,
    T, b, m, s and, where given, kn and gn (numbers of the core and the growth), r, h and c (the channels read and added to);
    a list has them for each kernel, and `model` those that all share. `cells` is Lenia's run-length text: "$" ends a row, "%"
    a layer of a creature in space; a list has a text for each channel.

    Raises:
        FileUnreadableError: not such a text, or an entry that is not complete.
    """
    try:
        entries = json.loads(text if text.lstrip().startswith("[") else f"[{text.strip().rstrip(',')}]")
    except (ValueError, RecursionError) as error:
        raise FileUnreadableError(f"{where}: no JSON list of creatures: {error}") from error
    if not all(isinstance(entry, dict) for entry in entries):
        raise FileUnreadableError(f"{where}: expected a list of creatures, each with code, name, params and cells")
    return tuple(_animal(entry, where) for entry in entries if entry.get("cells"))


def _animal(entry: dict[str, Any], where: str) -> Animal:
    code, name = str(entry.get("code", "")), str(entry.get("name", ""))
    where = f"{where}: {code or name or 'creature'}"
    try:
        parameters = _parameters(entry)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise FileUnreadableError(f"{where}: params: {type(error).__name__}: {error}") from error
    given = entry["cells"]
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise FileUnreadableError(f"{where}: cells: expected a text, or a list of one for each channel")
    layers = [_cells(text, where) for text in texts]
    sides = tuple(max(layer.shape[axis] for layer in layers) for axis in range(layers[0].ndim))
    if any(layer.ndim != len(sides) for layer in layers):
        raise FileUnreadableError(f"{where}: cells: channels of different dimensions")
    if len(layers) * math.prod(sides) > _MOST_CELLS:
        raise FileUnreadableError(f"{where}: cells: a box of over {_MOST_CELLS:,} cells")
    wide = np.stack([np.pad(layer, [(0, most - n) for n, most in zip(layer.shape, sides, strict=True)]) for layer in layers])
    needed = max(1, *(1 + c for key in ("c0", "c1") for c in parameters.get(key, [0])))
    if len(wide) != needed:
        raise FileUnreadableError(f"{where}: cells of {len(wide)} channels; its kernels name {needed}")
    return Animal(code, name, parameters, wide[0] if needed == 1 else wide, needed)


def _parameters(entry: dict[str, Any]) -> dict[str, Any]:
    """The parameters of `Lenia`."""
    shared = entry.get("model", {})
    if isinstance(entry["params"], dict):
        one = shared | entry["params"]
        found = {key: one[key] for key in ("R", "T", "m", "s")} | {"b": _heights(one["b"])}
        return found | {key: one[key] for key in ("r", "h") if key in one} | _curves(one)
    kernels = [shared | kernel for kernel in entry["params"]]
    if len({(k["R"], k["T"], k.get("kn", 1), k.get("gn", 1)) for k in kernels}) != 1:
        raise ValueError("kernels of different R, T, kn or gn")
    channels = [kernel.get("c", [0, 0]) for kernel in kernels]
    return (
        {"R": kernels[0]["R"], "T": kernels[0]["T"]}
        | {key: [float(kernel[key]) for kernel in kernels] for key in ("m", "s")}
        | {key: [float(kernel.get(key, 1)) for kernel in kernels] for key in ("r", "h")}
        | {"b": [_heights(kernel["b"]) for kernel in kernels], "combine": "mean"}
        | {"c0": [int(pair[0]) for pair in channels], "c1": [int(pair[1]) for pair in channels]}
        | _curves(kernels[0])
    )


def _curves(given: dict[str, Any]) -> dict[str, Any]:
    core, growth = given.get("kn", 1), given.get("gn", 1)
    found = {
        "core": core if core == "gaussian" else _CORES[_index(core, len(_CORES))],
        "growth": _GROWTHS[_index(growth, len(_GROWTHS))],
    }
    return found | ({"combine": given["combine"]} if "combine" in given else {})


def _index(number: int, most: int) -> int:
    if not 1 <= number <= most:
        raise ValueError(f"kn or gn {number}; expected 1 to {most}")
    return number - 1


def _heights(given: str | Sequence[float]) -> list[float]:
    parts = given.split(",") if isinstance(given, str) else given
    return [_fraction(part) if isinstance(part, str) else float(part) for part in parts]


def _fraction(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


def _cells(text: str, where: str) -> NDArray[np.float32]:
    """`(H, W)`, or `(D, H, W)` where the text has layers; without empty layers at the end."""
    if _LAYER not in text:
        return np.asarray(read_rle(text, where, 255).cells / 255, np.float32)
    parts = [part.rstrip("!") for part in text.split(_LAYER)]
    flat = [np.asarray(read_rle(f"{part}!", where, 255).cells / 255, np.float32) for part in parts]
    sides = [max(layer.shape[axis] for layer in flat) for axis in (0, 1)]
    if len(flat) * math.prod(sides) > _MOST_CELLS:
        raise FileUnreadableError(f"{where}: cells: a box of over {_MOST_CELLS:,} cells")
    return np.stack([np.pad(layer, [(0, most - n) for n, most in zip(layer.shape, sides, strict=True)]) for layer in flat])
