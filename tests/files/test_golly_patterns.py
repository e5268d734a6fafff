"""Golly's own collection of patterns, where it is installed: every file opens, or is refused in a line with the reason.

The folder is that of Debian's package, or the one that AETHERIA_GOLLY_PATTERNS names. The files are GPL: they stay there.
"""

import math
import os
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from aetheria.core.errors import AetheriaError
from aetheria.files.patterns import PATTERN_SUFFIXES
from aetheria.runs.run import build_motor
from aetheria.runs.short_config import config_of_pattern

FOLDER = Path(os.environ.get("AETHERIA_GOLLY_PATTERNS", "/usr/share/golly/Patterns"))
_MOST_CELLS = 1 << 20  # of a grid that is stepped here
_KNOWN_REASONS = (
    r"no law of Aetheria runs it yet$",
    r"expected a rule, as in",
    r"cells; expected [\d,]+ at most$",  # read flat
)


def _files() -> list[Path]:
    if not FOLDER.is_dir():
        return []
    return sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix.lower() in PATTERN_SUFFIXES)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"Golly's patterns are not installed ({FOLDER})")
def test_every_pattern_opens_or_is_refused_in_one_clear_line() -> None:
    opened, refused, strange = Counter[str](), Counter[str](), []
    for path in _files():
        try:
            config, _ = config_of_pattern(path)
        except AetheriaError as error:
            text = str(error)
            refused[path.suffix] += 1
            if "\n" in text or len(text) > 600 or not any(re.search(reason, text) for reason in _KNOWN_REASONS):
                strange.append(f"{path.relative_to(FOLDER)}: {text}")
            continue
        opened[config.law.name] += 1
        if math.prod(config.grid.sides) <= _MOST_CELLS:
            with build_motor(
                config.model_copy(update={"motor": config.motor.model_copy(update={"plan": "eager"})}), "cpu"
            ) as motor:
                motor.step(1)
                assert torch.equal(motor.cells, motor.cells.round()), path
    print(f"opened {dict(opened)}; refused {dict(refused)}")
    assert not strange, "\n".join(strange)
    assert set(opened) >= {"Life", "Generations", "LargerThanLife", "RuleTable"}
    assert opened.total() > 1.5 * refused.total()
