"""Files that are written whole: random names that follow no link, modes, leftovers, full disks."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from aetheria.core.errors import DiskFullError
from aetheria.files import atomic
from aetheria.files.atomic import atomic_write, check_output, durable_write, remove_leftovers, temporary_name
from aetheria.files.full_disk import is_disk_full


def test_no_two_temporary_names_are_equal_and_none_can_be_guessed(tmp_path: Path) -> None:
    names = {temporary_name(tmp_path / "p.png").name for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(f".p.{os.getpid()}-") and name.endswith(".png") for name in names)


def test_a_link_at_the_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    monkeypatch.setattr(atomic, "temporary_name", lambda _: tmp_path / ".link.png")  # as if it had been guessed
    (tmp_path / ".link.png").symlink_to(victim)
    with pytest.raises(FileExistsError), atomic_write(tmp_path / "p.png") as beside:
        beside.write_text("picture")
    assert victim.read_text() == "secret"
    assert not (tmp_path / "p.png").exists()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444])
def test_an_overwritten_file_keeps_its_mode(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as beside:
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600
        beside.write_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "p.png") as beside:
        beside.write_text("new")
    (tmp_path / "usual").touch()
    assert (tmp_path / "p.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_leftovers_of_dead_processes_go_with_the_next_write_of_the_name(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, mine = ended.pid, os.getpid()
    gone = [f".r.{dead}.png", f".r.{dead}-0123456789abcdef.png"]
    kept = [f".r.{mine}-0123456789abcdef.png", f".other.{dead}.png", f".r.{dead}.h5", "r.1.png", ".r.x.png"]
    earlier = f".r.{mine}-fedcba9876543210.png"  # a process of this number that wrote before this one began
    for name in (*gone, *kept, earlier):
        (tmp_path / name).touch()
    os.utime(tmp_path / earlier, (1e9, 1e9))
    with atomic_write(tmp_path / "r.png") as beside:
        beside.touch()
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "r.png"}
    remove_leftovers(tmp_path, lambda name: name == "r.h5")
    assert not (tmp_path / f".r.{dead}.h5").exists()


def _durable(path: Path) -> AbstractContextManager[Path]:
    return durable_write(path, lambda _: None)


def _raised(number: int, how: str) -> BaseException:
    try:
        try:
            raise OSError(number, "")
        except OSError as error:
            if how == "cause":
                raise ValueError("no") from error
            if how == "context":
                raise RuntimeError("no")  # noqa: B904 - that is the case tested
            raise
    except (OSError, ValueError, RuntimeError) as error:
        return error


@pytest.mark.parametrize("how", ["itself", "cause", "context"])
@pytest.mark.parametrize(("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
def test_a_full_disk_is_recognised_anywhere_in_the_chain(number: int, full: bool, how: str) -> None:
    assert is_disk_full(_raised(number, how)) == full


def test_a_full_disk_is_recognised_in_the_text_of_a_library() -> None:
    assert is_disk_full(RuntimeError("write failed: file descriptor = 7, errno = 122, error message = 'Disk quota exceeded'"))
    assert is_disk_full(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert is_disk_full(RuntimeError("Error closing file <x.safetensors>: No space left on device (28)"))
    assert not is_disk_full(RuntimeError("errno = 5; 28 bytes"))


@pytest.mark.parametrize(
    ("write", "call"),
    [*((atomic_write, call) for call in ("open", "replace")), *((_durable, call) for call in ("open", "replace", "fsync"))],
)
def test_a_full_disk_at_any_call_is_said_with_the_name_of_the_file(
    write: Callable[[Path], AbstractContextManager[Path]], call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "p.png"
    path.write_text("old")

    def full(*given: object, **named: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(*{"open": (os, "open"), "replace": (Path, "replace"), "fsync": (os, "fsync")}[call], full)
        with pytest.raises(DiskFullError, match=r"p\.png: the disk is full"), write(path) as beside:
            beside.write_text("new")
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_a_full_disk_is_found_before_a_run_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic, "new_file", full)
    with pytest.raises(DiskFullError, match=r"run\.h5"):
        check_output(tmp_path / "run.h5", overwrite=False)
