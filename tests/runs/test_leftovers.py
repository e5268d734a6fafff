"""Leftovers of killed runs and trainings go with the next one; a recording that is lost under the command line is saved."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from aetheria import Recording
from aetheria.core.errors import RecordingError
from aetheria.runs.config import RunConfig
from aetheria.runs.run import run
from aetheria.runs.session import RunProgress
from aetheria.training.folder import prepare_folder

CONFIG = {"steps": 20, "grid": {"height": 12, "width": 12}, "law": {"name": "Life"}, "motor": {"plan": "eager"}}


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_the_next_run_of_the_name_deletes_what_a_killed_one_left(tmp_path: Path, dead: int) -> None:
    left = [
        f".r.{dead}.png",
        f".r.{dead}-0a1b.h5",
        f".r.h5.checkpoint-8.{dead}-0a1b.safetensors",
        f".r.h5.{dead}-0a1b.writable",
    ]
    kept = [f".other.{dead}.png", f".r.h5x.checkpoint-8.{dead}.safetensors"]
    for name in (*left, *kept):
        (tmp_path / name).touch()
    run(RunConfig.checked(CONFIG, ""), tmp_path / "r.h5")
    assert {path.name for path in tmp_path.glob(".*")} == set(kept)


def test_the_next_training_in_a_folder_deletes_what_a_killed_one_left(tmp_path: Path, dead: int) -> None:
    for name in (f".last.{dead}.pt", f".weights.{dead}-0a1b.safetensors", f".notes.{dead}.txt"):
        (tmp_path / name).touch()
    prepare_folder(tmp_path, resume=False, overwrite=True)
    assert [path.name for path in tmp_path.glob(".*")] == [f".notes.{dead}.txt"]


def test_a_recording_that_is_deleted_during_a_run_is_saved_beside_it(tmp_path: Path) -> None:
    path, deleted = tmp_path / "r.h5", threading.Event()
    (tmp_path / "r-saved.h5").touch()  # nobody's file is overwritten

    def delete(progress: RunProgress) -> None:
        if progress.recorder.frames and not deleted.is_set():
            path.unlink()
            deleted.set()

    config = RunConfig.checked({**CONFIG, "steps": 10**8, "record": {"every": 1}}, "")
    with pytest.raises(
        RecordingError, match=r"r\.h5: was deleted, moved or replaced .* They are saved: .*r-saved-2\.h5"
    ) as caught:
        run(config, path, progress=delete)
    assert caught.value.exit_code == 5
    with Recording(tmp_path / "r-saved-2.h5") as recording:
        assert recording.steps.tolist() == list(range(len(recording)))
        assert (recording.status, recording.note) == ("failed", "")
