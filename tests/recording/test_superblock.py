"""Superblocks after a kill, and corrected ones, which HDF5 accepts."""

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from aetheria.core.failpoints import on_failpoints, reached
from aetheria.recording.superblock import PatchedFile, checksum, clear_writer_mark, read_superblock


def test_the_checksum_is_that_of_its_author() -> None:
    assert checksum(b"Four score and seven years ago") == 0x17770551  # the example at the end of lookup3.c


_KILLED = """
import os, signal, sys
import h5py
with h5py.File(sys.argv[1], "w", libver=("v110", "v110")) as file:
    data = file.create_dataset("x", (0, 1000), "u1", maxshape=(None, 1000), chunks=(1, 1000))
    file.swmr_mode = True
    for row in range(int(sys.argv[2])):
        data.resize(row + 1, 0)
        data[row] = row
        file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(path: Path, rows: int) -> None:
    """Leaves a file as a writer does that is killed after it flushed `rows` rows of 1000 bytes."""
    assert subprocess.run([sys.executable, "-c", _KILLED, str(path), str(rows)], check=False).returncode == -signal.SIGKILL


def test_a_file_whose_writer_was_killed_is_written_on_and_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    killed(path, 40)
    with pytest.raises(OSError, match="file is already open for write"):
        h5py.File(path, "r+")
    found = read_superblock(path)
    assert found is not None
    assert (found.writing, found.intact) == (True, True)
    assert clear_writer_mark(path)
    assert not clear_writer_mark(path)
    for first in (40, 80):  # the second time the file was closed in order
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            file.swmr_mode = True
            for row in range(first, first + 40):
                file["x"].resize(row + 1, 0)
                file["x"][row] = row
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["x"][:, 7], np.arange(120))
        np.testing.assert_array_equal(file["x"][:].min(1), file["x"][:].max(1))
    after = read_superblock(path)
    assert after is not None
    assert (after.writing, after.intact, after.end) == (False, True, path.stat().st_size)


def test_other_files_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    for content in (b"", b"plainly not", b"\x89HDF\r\n\x1a\n" + b"\x03" * 60):
        path.write_bytes(content)
        assert not clear_writer_mark(path)
        assert path.read_bytes() == content
    killed(path, 1)
    torn = bytearray(path.read_bytes())
    torn[36] ^= 1
    path.write_bytes(torn)  # the checksum says so
    assert not clear_writer_mark(path)
    assert path.read_bytes() == torn


def test_what_lies_beyond_the_end_of_a_patched_file_is_an_error(tmp_path: Path) -> None:
    """A bit turned over in an address may make it larger than the system takes."""
    path = tmp_path / "x.h5"
    path.write_bytes(content := bytes(range(9)))
    with PatchedFile(path, {4: b"new"}) as patched:
        assert (patched.seek(3), patched.read(3)) == (3, b"\x03ne")
        assert (patched.seek(0, 2), patched.read(5)) == (len(content), b"")
        patched.seek(1 << 63)
        with pytest.raises(OSError, match=r"a file of 9 bytes has none at 9,223,372,036,854,775,808"):
            patched.read(5)


def test_moments_are_told_to_whoever_asked_while_they_ask() -> None:
    told: list[str] = []
    reached("before")
    with on_failpoints(told.append):
        reached("one")
        with pytest.raises(OSError, match="two"), on_failpoints(fails):
            reached("two")
    reached("after")
    assert told == ["one", "two"]


def fails(moment: str) -> None:
    raise OSError(moment)
