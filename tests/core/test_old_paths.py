"""Import paths of version 0.1 give the modules that they gave."""

import importlib
import subprocess
import sys

import pytest

from aetheria.core.old_paths import _MOVED


@pytest.mark.parametrize("old", sorted(_MOVED))
def test_an_old_path_gives_the_module_where_it_is_now(old: str) -> None:
    new = importlib.import_module(f"aetheria.{_MOVED[old]}")
    assert importlib.import_module(f"aetheria.{old}") is new
    assert new.__spec__ is not None
    assert new.__spec__.name == new.__name__ == f"aetheria.{_MOVED[old]}"


def test_names_import_from_old_paths_in_a_new_process() -> None:
    code = (
        "from aetheria.errors import AetheriaError; from aetheria.replay import replay\n"
        "from aetheria.motor import Aetheria_Motor\n"
        "from aetheria.laws.life import parse_rule; import aetheria.checkpoint as c; import aetheria.runs.checkpoint as d\n"
        "assert c is d, (c, d)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_an_unknown_module_is_still_unknown() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"aetheria\.nowhere"):
        importlib.import_module("aetheria.nowhere")
