"""`make check` runs the tests of the changed files."""

from pathlib import Path

from tests.changed import files_of, selected


def test_a_module_has_the_files_of_its_name_or_of_its_room() -> None:
    assert files_of(Path("aetheria/motor/motor.py")) == [Path("tests/motor/test_motor.py")]
    assert Path("tests/motor/test_motor.py") in files_of(Path("aetheria/motor/reading.py"))
    assert files_of(Path("viewer/model/viewport.py")) == [Path("tests/viewer/model/test_viewport.py")]
    assert files_of(Path("docs/stepping.md")) == files_of(Path("aetheria/__init__.py")) == []


def test_a_slow_suite_runs_when_one_of_its_files_changed() -> None:
    slow = Path("tests/benchmarks/test_reliability.py")
    assert selected([slow]) == [slow]
    assert selected([Path("viewer/model/viewport.py")]) == []
    assert selected([Path("tests/gone/test_gone.py")]) == []
