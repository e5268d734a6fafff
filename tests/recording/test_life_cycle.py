"""The ends of a recorder: dropped, open at the end of Python, without room for files, its file deleted while it is written."""

import errno
import gc
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.recording.lock import is_being_written


def life() -> Aetheria_Motor:
    return Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, seed=3)


def run_python(code: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    start = """
        import os, sys, threading, time
        from aetheria import Aetheria_Motor, Life, Recorder
        motor = Aetheria_Motor(Life(), 16, 1, "cpu", {"plan": "eager"}, seed=3)
    """
    script = textwrap.dedent(start) + textwrap.dedent(code)
    return subprocess.run([sys.executable, "-c", script, *more], cwd=folder, capture_output=True, text=True, timeout=60)


def step_for(motor: Aetheria_Motor, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        motor.step(1)


def check_frames(path: Path, count: int, status: str) -> None:
    with Recording(path) as recording, life() as motor:
        assert (recording.status, len(recording), recording.note) == (status, count, "")
        for frame in recording:
            assert np.array_equal(frame["channel_0"], motor.cells[:, 0].numpy())
            motor.step(1)


def test_a_recorder_that_is_open_where_python_ends_is_finished(tmp_path: Path) -> None:
    ended = run_python('recorder = Recorder(motor, "run.h5"); motor.step(30)', tmp_path)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    assert "run.h5: Python ended before Recorder.finish()" in ended.stderr
    check_frames(tmp_path / "run.h5", 31, "interrupted")
    assert [path.name for path in tmp_path.iterdir()] == ["run.h5"]


def test_a_thread_that_steps_on_after_the_main_thread_keeps_its_recorder(tmp_path: Path) -> None:
    ended = run_python(
        """
        def work():
            with Recorder(motor, "run.h5"):
                while motor.step_count < 30:
                    motor.step(1)
                    time.sleep(0.03)
        threading.Thread(target=work).start()
        """,
        tmp_path,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    check_frames(tmp_path / "run.h5", 31, "done")


def test_a_forked_process_leaves_the_file_and_its_lock_alone(tmp_path: Path) -> None:
    ended = run_python(
        """
        from aetheria.recording.lock import is_being_written
        from pathlib import Path
        with Recorder(motor, "run.h5") as recorder:
            motor.step(5)
            recorder.sync()
            if not os.fork():
                del recorder
                sys.exit(0)
            assert os.wait()[1] == 0
            assert is_being_written(Path("run.h5"))
            motor.step(5)
        """,
        tmp_path,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stderr
    check_frames(tmp_path / "run.h5", 11, "done")


def test_a_dropped_recorder_closes_its_file_gives_its_lock_back_and_says_so(tmp_path: Path) -> None:
    motor, path = life(), tmp_path / "run.h5"

    def record() -> None:
        _unfinished = Recorder(motor, path)
        motor.step(20)
        del _unfinished
        gc.collect()

    with pytest.warns(ResourceWarning, match=r"run\.h5: its Recorder was dropped without finish\(\)"):
        record()
    assert not is_being_written(path)
    check_frames(path, 21, "interrupted")
    motor.step(5)
    with Recorder(motor, path, overwrite=True):
        motor.step(1)


def test_to_finish_takes_neither_a_temporary_folder_nor_a_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motor, recorder = life(), None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number, most in enumerate((soft, 3)):  # with 3, no file can be opened at all
        recorder = Recorder(motor, tmp_path / f"{number}.h5")
        motor.step(3)
        recorder.sync()
        monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        try:
            recorder.finish()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with Recording(tmp_path / f"{number}.h5") as recording:
            assert (recording.status, len(recording), recording.note) == ("done", 4, "")
        assert not is_being_written(tmp_path / f"{number}.h5")


@pytest.mark.parametrize("how", ["deleted", "replaced", "the folder is moved"])
def test_a_file_that_is_lost_while_it_is_written_is_noticed_and_can_be_saved(how: str, tmp_path: Path) -> None:
    (folder := tmp_path / "runs").mkdir()
    path = folder / "run.h5"
    motor = life()
    recorder = Recorder(motor, path)
    motor.step(10)
    recorder.sync()
    if how == "deleted":
        path.unlink()
    elif how == "replaced":
        (tmp_path / "other").write_text("other")
        (tmp_path / "other").replace(path)
    else:
        folder.rename(tmp_path / "moved")
    lost = motor.step_count
    with pytest.raises(RecordingError, match=r"run\.h5: was deleted, moved or replaced"):
        step_for(motor, 30)
    with pytest.raises(RecordingError, match=r"run\.h5: was deleted, moved or replaced") as caught:
        recorder.finish()
    assert caught.value.exit_code == 5
    assert motor.step_count < lost + 100
    assert recorder.lost
    (tmp_path / "there.h5").touch()
    with pytest.raises(ConfigError, match="exists"):
        recorder.save_as(tmp_path / "there.h5")
    recorder.save_as(tmp_path / "saved.h5")
    with Recording(tmp_path / "saved.h5") as recording:
        count = len(recording)
    assert count == recorder.frames > lost
    check_frames(tmp_path / "saved.h5", count, "failed")
    if how == "replaced":
        assert path.read_text() == "other"


def test_a_lost_file_is_noticed_between_two_frames_too(tmp_path: Path) -> None:
    motor, path = life(), tmp_path / "run.h5"
    recorder = Recorder(motor, path, every=10**6)
    motor.step(1)
    path.unlink()
    with pytest.raises(RecordingError, match="deleted"):
        step_for(motor, 30)
    with pytest.raises(RecordingError, match="deleted"):
        recorder.finish()


def test_a_recording_in_its_place_is_not_saved_under_another_name(tmp_path: Path) -> None:
    motor = life()
    with Recorder(motor, tmp_path / "run.h5") as recorder:
        motor.step(1)
    with pytest.raises(RecordingError, match="copy it instead"):
        recorder.save_as(tmp_path / "other.h5")


def test_links_at_the_names_beside_a_recording_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("secret")
    for name in (".run.h5.new", f".run.{os.getpid()}.h5"):
        (tmp_path / name).symlink_to(victim)
    with Recorder(life(), tmp_path / "run.h5"):
        pass
    assert victim.read_text() == "secret"
    assert not (tmp_path / "run.h5").is_symlink()
    (tmp_path / ".run.h5.lock").symlink_to(tmp_path / "made_by_the_lock")
    with pytest.raises(RecordingError, match=r"\.run\.h5\.lock: cannot be made"):
        Recorder(life(), tmp_path / "run.h5", overwrite=True)
    assert not (tmp_path / "made_by_the_lock").exists()


def test_an_error_of_the_disk_when_the_lock_file_is_closed_is_no_error_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(life(), tmp_path / "run.h5")
    descriptor, close = recorder._writer._lock._descriptor, os.close

    def failing(given: int) -> None:
        close(given)
        if given == descriptor:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "close", failing)
    recorder.finish()
    assert not is_being_written(tmp_path / "run.h5")


def test_a_replaced_recording_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.touch(0o600)
    with Recorder(life(), path, overwrite=True):
        pass
    assert path.stat().st_mode & 0o777 == 0o600


def test_ctrl_c_in_finish_closes_the_file_all_the_same(tmp_path: Path) -> None:
    motor, path = life(), tmp_path / "run.h5"
    recorder = Recorder(motor, path)
    motor.step(20)

    def interrupted() -> None:
        raise KeyboardInterrupt

    join = recorder._writer.join
    recorder._writer.join = interrupted  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        recorder.finish()
    recorder._writer.join = join  # type: ignore[method-assign]
    recorder.finish()
    check_frames(path, 21, "done")


def test_a_recorder_can_be_neither_copied_nor_pickled(tmp_path: Path) -> None:
    with Recorder(life(), tmp_path / "run.h5") as recorder:
        for attempt in (deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=r"run\.h5: a Recorder writes a file in a thread"):
                attempt(recorder)
