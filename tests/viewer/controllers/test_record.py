"""Recording a live run from the viewer, without Qt; the files are real."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.frame import Frame
from aetheria.recording import Recorder, Recording
from aetheria.recording.disk_space import frame_bytes
from aetheria.recording.frame_writer import FrameWriter
from aetheria.runs.config import RunConfig
from aetheria.runs.replay import replay
from aetheria.runs.run import build_motor
from tests.small_laws import small_law
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.record import RecordForecast, RecordSettings
from viewer.sources.live import LiveSource

CONFIG: dict[str, Any] = {
    "steps": 10,
    "seed": 4,
    "grid": {"height": 24, "width": 32},
    "law": {"name": "Life"},
    "motor": {"plan": "eager"},
}


@pytest.fixture
def controller(view: FakeView) -> Iterator[Controller]:
    controller = Controller(view)
    config = RunConfig.checked(CONFIG, "")
    controller.open(live(build_motor(config), config=config, title="soup"))
    wait_until(lambda: view.frames, controller)
    yield controller
    controller.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


def motor_of(controller: Controller) -> Aetheria_Motor:
    assert isinstance(controller.source, LiveSource)
    return controller.source.motor


def begin(controller: Controller, settings: RecordSettings) -> None:
    controller.record.start(settings)
    take = controller.record.session
    assert take is not None
    wait_until(lambda: take.recorder is not None or not controller.record.recording, controller)


def told(view: FakeView, words: str) -> bool:
    return any(words in message.text for message in view.messages)


def go(controller: Controller, steps: int) -> None:
    end = motor_of(controller).step_count + steps
    controller.step_many(steps)
    wait_until(lambda: motor_of(controller).step_count == end, controller)


def test_a_recording_holds_the_frames_of_the_motor_and_can_be_replayed_edits_and_all(
    controller: Controller, view: FakeView, path: Path
) -> None:
    motor = motor_of(controller)
    go(controller, 3)
    begin(controller, RecordSettings(path, ("channel_0", "population"), every=2))
    seen: dict[int, torch.Tensor] = {}
    for _ in range(8):
        go(controller, 1)
        seen[motor.step_count] = motor.cells[:, 0]
    motor.set_cells(torch.ones(1, 4, 4), at=(2, 3), universe=0)
    go(controller, 5)
    seen[motor.step_count] = motor.cells[:, 0]
    controller.record.stop()
    wait_until(lambda: told(view, "Recorded 7 frames in run.h5"), controller)
    with Recording(path) as recording:
        assert recording.steps.tolist() == [4, 6, 8, 10, 12, 14, 16]
        assert recording.attributes["title"] == "soup"
        for frame in recording:
            if frame.step in seen:
                assert np.array_equal(frame["channel_0"], seen[frame.step])
        assert recording.status == "done"
        again = replay(recording, 16)
    assert torch.equal(again.cells[:, 0], seen[16])


def test_the_status_says_how_a_recording_goes(controller: Controller, view: FakeView, path: Path) -> None:
    assert controller.record.status_text() == ""
    begin(controller, RecordSettings(path, ("channel_0",), every=1))
    wait_until(lambda: told(view, "Recording to run.h5, every step."), controller)
    go(controller, 20)
    wait_until(lambda: "run.h5: 21 frames" in controller.record.status_text(), controller)
    wait_until(lambda: view.statuses and "KiB" in view.statuses[-1].recording, controller)


def test_a_recording_is_whole_when_what_is_recorded_is_closed(controller: Controller, path: Path) -> None:
    begin(controller, RecordSettings(path, ("channel_0",), every=1))
    go(controller, 5)
    controller.close()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "end of a recording"])
    with Recording(path) as recording:
        assert recording.status == "done"
        assert len(recording) >= 5  # the newest step may not have been handed over


def test_a_recording_that_is_stopped_before_it_began_is_closed_too(controller: Controller, path: Path) -> None:
    controller.record.start(RecordSettings(path, ("channel_0",)))
    controller.record.stop()
    done: list[None] = []
    assert controller.source is not None
    controller.source.submit(lambda: None, done.append)  # after what was asked before
    wait_until(lambda: done, controller)
    with Recording(path) as recording:
        assert recording.status == "done"


def test_a_full_disk_ends_the_recording_and_the_run_goes_on(
    controller: Controller, view: FakeView, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    motor = motor_of(controller)
    begin(controller, RecordSettings(path, ("channel_0",), every=1))
    controller.unlimited()
    controller.toggle_play()
    take = controller.record.session
    wait_until(lambda: take is not None and take.recorder is not None and take.recorder.frames > 20, controller)
    monkeypatch.setattr(psutil, "disk_usage", lambda _: type("Usage", (), {"free": 100}))
    wait_until(lambda: told(view, "the disk is full"), controller)
    (message,) = [message for message in view.messages if message.kind == "error"]
    assert "the run continues without it" in message.text
    after = motor.step_count
    wait_until(lambda: motor.step_count > after + 50, controller)
    assert controller.source is not None
    assert controller.source.status().playing
    assert not controller.record.recording
    with Recording(path) as recording:
        assert recording.status == "disk full"
        assert len(recording) > 20


def test_a_recorder_that_is_not_essential_leaves_the_motor_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: FrameWriter, frame: Frame) -> None:
        raise OSError("input/output error")

    monkeypatch.setattr(FrameWriter, "_commit", fails)
    motor = life()
    recorder = Recorder(motor, path, essential=False)
    motor.step(30)
    wait_until(lambda: recorder.error is not None)
    motor.step(30)
    assert motor.step_count == 60
    with pytest.raises(OSError, match="input/output error"):
        recorder.finish()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fields": ("chanel_0",)}, "did you mean channel"),
        ({"dtype": "uint8", "fields": ("energy",)}, "has no fixed range"),
        ({"codec": "best"}, "expected one of gzip"),
        ({"path": Path("missing") / "run.h5"}, "does not exist"),
        ({"every": 0}, "expected whole numbers of 1 or more"),
    ],
)
def test_what_cannot_be_recorded_is_told(
    controller: Controller, view: FakeView, path: Path, change: dict[str, Any], words: str
) -> None:
    wanted: dict[str, Any] = {"path": path, "fields": ("channel_0",)}
    controller.record.start(RecordSettings(**wanted | change))
    wait_until(lambda: told(view, words), controller)
    assert not controller.record.recording
    assert not path.exists()


def random_cells(name: str) -> Aetheria_Motor:
    """A motor whose numbers cannot be compressed."""
    law = small_law(name)
    channels = int(law.channels)  # type: ignore[arg-type]
    d_state = int(getattr(law, "d_state", None) or channels)
    torch.manual_seed(0)
    settings = {"plan": "eager", "log_edits": False}  # or every set of cells would be in the file as well
    return Aetheria_Motor(law, (48, 40), d_state, "cpu", settings, initial=torch.randn(2, channels, 48, 40), batch=2)


@pytest.mark.parametrize(
    ("name", "fields", "size", "dtype"),
    [
        ("MLP", ("density", "phase_0"), None, "float32"),
        ("MLP", ("real_0",), (20, 20), "float16"),
        ("GrowingNCA", ("rgb", "channel_0"), None, "float32"),
        ("MLP", ("phase_1", "mass"), None, "uint8"),
    ],
)
def test_the_estimate_is_within_a_factor_of_two_of_the_file_for_numbers_that_cannot_be_compressed(
    path: Path, name: str, fields: tuple[str, ...], size: tuple[int, int] | None, dtype: Any
) -> None:
    motor = random_cells(name)
    request = motor.request(fields, size, dtype)
    torch.manual_seed(1)
    sizes = {}
    for frames in (20, 60):
        with Recorder(motor, path.with_stem(f"run{frames}"), fields=fields, size=size, dtype=dtype) as recorder:
            for _ in range(frames):
                motor.set_cells(torch.randn(motor.shape).clamp(-4, 4))
                motor.step(1)
            assert recorder.path.exists()
        sizes[frames] = path.with_stem(f"run{frames}").stat().st_size
    a_frame = (sizes[60] - sizes[20]) / 40  # an empty file has a size of its own
    assert a_frame / 2 < frame_bytes(request, motor.shape) < a_frame * 2


def test_the_estimate_speaks_of_frames_minutes_and_free_space(
    controller: Controller, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "disk_usage", lambda _: type("Usage", (), {"free": 3 * 2**30}))
    said: list[RecordForecast] = []
    controller.set_speed(10.0)
    settings = RecordSettings(path, ("channel_0",), every=5)
    controller.record.estimate(settings, said.append)
    wait_until(lambda: said, controller)
    assert said[0].text == (
        "At most 3.04 KiB per frame; at the present speed 120 frames and 365 KiB per minute. "
        "3.00 GiB are free, enough for 6 days."
    )
    controller.record.estimate(RecordSettings(path, ("chanel_0",)), said.append)
    wait_until(lambda: len(said) == 2, controller)
    assert "did you mean channel" in said[1].text
    assert [forecast.wrong for forecast in said] == [False, True]
    path.touch()
    controller.record.estimate(settings, said.append)
    wait_until(lambda: len(said) == 3, controller)
    assert said[2].exists
    assert not said[0].exists
