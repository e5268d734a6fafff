"""A recording as a sequence of frames, and a frame as a mapping of fields, as a Python user expects."""

import errno
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from aetheria import Aetheria_Motor, AetheriaError, Life, Recorder, Recording
from aetheria.core.errors import ConfigError, DamagedRecordingError, NoSuchFieldError, NoSuchFrameError, RecordingError
from aetheria.observe.frame import Frame

COUNT = 6


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "run.h5"
    motor = Aetheria_Motor(Life(), (8, 12), 1, "cpu", {"plan": "eager"}, batch=2, seed=3)
    with Recorder(motor, path, fields=["channel_0", "population"], every=10):
        motor.step(10 * (COUNT - 1))
    return path


@pytest.fixture
def recording(path: Path) -> Iterator[Recording]:
    with Recording(path) as recording:
        yield recording


def steps(frames: Any) -> list[int]:
    return [frame.step for frame in frames]


ENDS = (None, 0, 1, 3, COUNT, COUNT + 5, -1, -2, -COUNT, -COUNT - 3)


@pytest.mark.parametrize("stride", [None, 1, 2, 5, -1, -2, 100])
def test_a_slice_is_the_list_of_the_frames_that_a_list_would_give(recording: Recording, stride: int | None) -> None:
    every = list(range(0, 10 * COUNT, 10))
    for first, last in itertools.product(ENDS, ENDS):
        frames = recording[first:last:stride]
        assert isinstance(frames, list)
        assert steps(frames) == every[first:last:stride]
    with pytest.raises(ValueError, match="zero"):
        recording[::0]


@pytest.mark.parametrize("kind", [int, np.int8, np.int64, np.uint16])
def test_every_kind_of_whole_number_is_an_index(recording: Recording, kind: Any) -> None:
    assert recording[kind(2)].step == 20
    assert recording[np.array(2)].step == 20
    if kind is not np.uint16:
        assert recording[kind(-1)].step == 10 * (COUNT - 1)


@pytest.mark.parametrize("index", [True, np.True_, 1.0, np.float64(1), "1", None, (0, 1), [0], 1j, ..., slice("a", None)])
def test_other_indices_are_type_errors(recording: Recording, index: Any) -> None:
    with pytest.raises(TypeError):
        recording[index]
    with pytest.raises(TypeError):
        recording.read("channel_0", index)


@pytest.mark.parametrize("index", [COUNT, -COUNT - 1, 10**9, -(10**9), np.int64(99)])
def test_a_frame_that_is_not_there_is_an_index_error_of_ours(recording: Recording, index: Any) -> None:
    for read in (lambda: recording[index], lambda: recording.read("channel_0", index)):
        with pytest.raises(NoSuchFrameError, match=rf"run.h5: frame {int(index):,} asked for; it has frames 0 to {COUNT - 1}"):
            read()
        with pytest.raises(IndexError):
            read()
        with pytest.raises(AetheriaError):
            read()


def test_iteration_in_all_its_forms(recording: Recording) -> None:
    every = list(range(0, 10 * COUNT, 10))
    assert steps(recording) == every
    assert steps(reversed(recording)) == every[::-1]
    assert [(number, frame.step) for number, frame in enumerate(recording)] == list(enumerate(every))
    assert steps(itertools.islice(recording, 2)) == every[:2]
    first, *_, last = recording
    assert (first.step, last.step) == (every[0], every[-1])
    assert max(recording, key=lambda frame: frame.step).step == every[-1]
    assert isinstance(recording, Sequence)
    assert bool(recording)


def test_membership_and_equality_hold_no_surprises(recording: Recording, path: Path) -> None:
    frame = recording[2]
    assert frame in recording
    assert recording.index(frame) == 2
    assert recording.count(frame) == 1
    assert 7 not in recording
    assert frame == recording[2]
    assert frame != recording[3]
    assert frame != 2
    assert recording == recording
    assert recording != list(recording)
    with Recording(path) as other:
        assert recording != other
        assert list(recording) == list(other)
        assert len({recording, other}) == 2


def test_a_recorded_frame_equals_the_one_the_motor_handed_out(recording: Recording) -> None:
    motor = Aetheria_Motor(Life(), (8, 12), 1, "cpu", {"plan": "eager"}, batch=2, seed=3)
    with motor.subscribe(every=10, fields=["channel_0", "population"], delivery="lossless", capacity=COUNT) as frames:
        motor.step(20)
        handed = [frames.get(1), frames.get(1), frames.get(1)]
    assert handed == recording[:3]


def test_a_frame_is_a_mapping(recording: Recording) -> None:
    frame = recording[1]
    assert isinstance(frame, Mapping)
    assert list(frame) == ["channel_0", "population"]
    assert len(frame) == 2
    assert "channel_0" in frame
    assert "density" not in frame
    assert 3 not in frame
    assert dict(frame).keys() == {"channel_0", "population"}
    assert {name: values.shape for name, values in frame.items()} == {"channel_0": (2, 8, 12), "population": (2,)}
    assert frame.get("density") is None
    assert [values.ndim for values in frame.values()] == [3, 1]
    named = {**frame}
    np.testing.assert_array_equal(named["channel_0"], frame["channel_0"])


def test_an_unknown_field_is_a_key_error_of_ours_that_names_the_known_ones(recording: Recording) -> None:
    with pytest.raises(NoSuchFieldError, match=r'frame of step 10: no field "chanel_0"; did you mean channel_0\?'):
        recording[1]["chanel_0"]
    with pytest.raises(KeyError):
        recording[1]["chanel_0"]
    with pytest.raises(KeyError):
        recording[1][3]  # type: ignore[index]


def test_live_frames_are_mappings_too() -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"})
    frame = motor.look(motor.request(["channel_0"]))
    assert list(frame) == ["channel_0"]
    with pytest.raises(NoSuchFieldError):
        frame["density"]
    other = Frame(frame.step, 0.0, {"channel_0": frame["channel_0"].copy()})
    assert frame == other
    other.fields["channel_0"][:] = np.nan
    assert frame != other
    assert other == Frame(frame.step, 0.0, {"channel_0": other["channel_0"].copy()})


def wrong_uses(recording: Recording) -> Iterator[Any]:
    yield lambda: recording["channel_0"]  # type: ignore[call-overload]
    yield lambda: recording[99]
    yield lambda: recording[1.5]  # type: ignore[call-overload]
    yield lambda: recording.read("channel_0", 0, 7)
    yield lambda: recording.read("channel_0", 0, -1)
    yield lambda: recording.read("channel_0", 0, True)
    yield lambda: recording.read("population", 0, 2)
    yield lambda: recording.read("density", 0)
    yield lambda: recording.read(3, 0)  # type: ignore[arg-type]
    yield lambda: recording.observable("channel_0")
    yield lambda: recording.observable(None)  # type: ignore[arg-type]
    yield lambda: recording.dataset("frames")
    yield lambda: recording.axis("step")
    yield lambda: recording.axis("z")


def test_a_sound_file_is_never_called_damaged(path: Path, recording: Recording) -> None:
    for use in wrong_uses(recording):
        with pytest.raises((AetheriaError, TypeError)) as caught:
            use()
        assert not isinstance(caught.value, DamagedRecordingError), caught.value
    with pytest.raises(ConfigError, match="universe: 7 given; expected 0 to 1"):
        recording.read("channel_0", 0, 7)
    with pytest.raises(RecordingError, match='has no axis "z"; expected y, x'):
        recording.axis("z")


def test_a_closed_recording_says_so(path: Path) -> None:
    with Recording(path) as other:  # keeps the file open
        recording = Recording(path)
        frame = recording[0]
        recording.close()
        recording.close()
        for use in (
            lambda: len(recording),
            lambda: recording[0],
            lambda: frame["channel_0"],
            lambda: recording.steps,
            lambda: recording.status,
            lambda: recording.edits,
        ):
            with pytest.raises(RecordingError, match=r"run\.h5: is closed; open it again") as caught:
                use()
            assert not isinstance(caught.value, DamagedRecordingError)
        assert len(other) == COUNT


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.ENOMEM])
def test_a_failure_of_the_system_is_no_damage(path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> Any:
        raise OSError(number, "Unable to synchronously open file (unable to open file)")

    monkeypatch.setattr(h5py, "File", refused)
    with pytest.raises(RecordingError, match=rf"run\.h5: cannot be opened; {os.strerror(number)}") as caught:
        Recording(path)
    assert not isinstance(caught.value, DamagedRecordingError)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("orbium.toml", b"steps = 3", "is a config; expected a recording .*Its use: aetheria run .*orbium.toml"),
        ("my soup.toml", b"steps = 3", "aetheria run '.*my soup.toml'"),
        ("glider.rle", b"x = 3, y = 3", "is a pattern; expected a recording"),
        ("run.png", b"\x89PNG\r\n\x1a\n", "is an image; expected a recording"),
        ("run.npz", b"PK\x03\x04", "is an archive of weights or arrays"),
        ("run.h5", b"[law]\nname = 'Life'", "is no HDF5 file; expected a recording"),
        ("run.h5", b"junk", "is no HDF5 file; expected a recording"),
        ("run.h5", b"", "is empty"),
        (".", b"", "is a folder"),
        ("nothing.h5", None, "no such file"),
    ],
)
def test_another_kind_of_file_is_named_without_jargon(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None and name != ".":
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=words) as caught:
        Recording(tmp_path / name)
    assert not isinstance(caught.value, DamagedRecordingError)
    assert "synchronously" not in str(caught.value)
