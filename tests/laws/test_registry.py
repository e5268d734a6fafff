"""The registry: every law of every family is in it, in a stable order, and importable from `aetheria`."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import aetheria
from aetheria import laws
from aetheria.laws import LAWS, Law, find_law, register

EVER = ["MLP", "DEEP_QCA", "UNet", "ConvLSTM", "GrowingNCA", "NeuralCA", "Life", "Lenia"]


class Brian(Law):
    """Registered by tests alone."""

    channels = 1


def test_every_registered_law_can_be_imported_from_aetheria_and_from_its_laws() -> None:
    for name, law in LAWS.items():
        assert getattr(aetheria, name) is getattr(laws, name) is law
        assert name in dir(aetheria)
        assert name in dir(laws)


@pytest.mark.parametrize("name", LAWS)
def test_a_law_is_found_without_regard_to_case_dash_underscore_and_space(name: str) -> None:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    forms = (name, name.lower(), name.upper(), words, words.lower(), words.replace("_", "-"), words.replace("_", " "))
    assert {find_law(form) for form in forms} == {LAWS[name]}


def test_a_name_that_is_no_law_is_refused_as_by_any_module() -> None:
    for module in (aetheria, laws):
        for name in ("Lyfe", "no_such_name"):
            with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute '{name}'"):
                getattr(module, name)


def test_every_module_of_every_family_is_imported() -> None:
    root = Path(laws.__file__).parent
    families = [file for file in root.glob("*/*.py") if file.stem != "__init__"]
    assert len(families) >= len(EVER)
    for file in families:
        assert f"aetheria.laws.{file.parent.name}.{file.stem}" in sys.modules


def test_the_laws_known_longest_come_first_and_the_others_by_module(kept_laws: None) -> None:
    assert [name for name in LAWS if name in EVER] == EVER
    assert register(Brian) is Brian
    assert list(LAWS)[: len(EVER)] == EVER
    others = list(LAWS.values())[len(EVER) :]
    assert others == sorted(others, key=lambda law: (law.__module__, law.__name__.lower()))
    assert find_law("brian") is Brian


def test_a_law_that_is_defined_again_replaces_itself_and_no_other_law(kept_laws: None) -> None:
    register(Brian)
    again = type("Brian", (Law,), {"channels": 2, "__module__": Brian.__module__})
    register(again)
    assert find_law("Brian") is again
    with pytest.raises(ValueError, match=r"law brian of elsewhere: .*test_registry has a law of this name"):
        register(type("brian", (Law,), {"__module__": "elsewhere"}))
    assert find_law("Brian") is again


def test_importing_aetheria_and_its_command_line_imports_no_torch() -> None:
    code = "import sys; import aetheria; from aetheria import cli; assert 'torch' not in sys.modules; aetheria.Life"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
