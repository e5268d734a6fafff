"""Windows of recordings: equal to the stepped cells, read lazily, by any number of readers."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import pytest
import torch

from aetheria import MLP, Aetheria_Motor, GrowingNCA, Life, Recorder, Recording
from aetheria.core.errors import ConfigError, RecordingError
from aetheria.training import Batches, SampleSchedule, TrajectoryDataset, WindowSample

EAGER = {"plan": "eager", "check_interval": 0}
CPU = torch.device("cpu")


def record(path: Path, law: Any, grid: tuple[int, int], d_state: int, steps: int, **settings: Any) -> torch.Tensor:
    """Records a run; the cells at every step `(steps + 1, B, C, H, W)`."""
    motor = Aetheria_Motor(law, grid, d_state, "cpu", EAGER, batch=settings.pop("batch", 1))
    seen = [motor.cells]
    with Recorder(motor, path, fields=["cells"], overwrite=True, **settings):
        for _ in range(steps):
            motor.step(1)
            seen.append(motor.cells)
    return torch.stack(seen)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def life(folder: Path) -> torch.Tensor:
    return record(folder / "life.h5", Life(), (12, 16), 1, 20, batch=3)


@pytest.fixture
def life_file(folder: Path, life: torch.Tensor) -> Path:
    return folder / "life.h5"


def test_a_window_is_what_the_motor_stepped(life_file: Path, life: torch.Tensor) -> None:
    with TrajectoryDataset([life_file], frames=5) as dataset:
        assert len(dataset) == 3 * (21 - 5 + 1)
        for universe in range(3):
            for start in (0, 7, 16):
                assert torch.equal(dataset[universe * 17 + start], life[start : start + 5, universe])


def test_every_channel_of_complex_cells_comes_back_to_the_bit(tmp_path: Path) -> None:
    cells = record(tmp_path / "mlp.h5", MLP(2, 8, output_scale=0.1), (8, 8), 2, 6)
    with TrajectoryDataset([tmp_path / "mlp.h5"], frames=7) as dataset:
        assert torch.equal(dataset[0], cells[:, 0])


def test_pixels_of_a_binary_law_are_exact_too(tmp_path: Path) -> None:
    cells = record(tmp_path / "life.h5", Life(), (8, 8), 1, 6, dtype="uint8", levels={"channel_0": (0.0, 1.0)})
    with TrajectoryDataset([tmp_path / "life.h5"], frames=7) as dataset:
        assert torch.equal(dataset[0], cells[:, 0])


def test_a_stride_leaves_frames_out(life_file: Path, life: torch.Tensor) -> None:
    with TrajectoryDataset([life_file], frames=3, stride=4) as dataset:
        assert torch.equal(dataset[1], life[1:10:4, 0])


def test_a_crop_of_a_torus_crosses_its_edge_and_is_a_part_of_the_rolled_grid(life_file: Path, life: torch.Tensor) -> None:
    with TrajectoryDataset([life_file], frames=2, crop=(5, 7)) as dataset:
        corners = set()
        for seed in range(40):
            window = dataset[WindowSample(3, seed=seed)]
            found = [
                (y, x)
                for y in range(12)
                for x in range(16)
                if torch.equal(life[3:5, 0].roll((-y, -x), (-2, -1))[..., :5, :7], window)
            ]
            assert found
            corners.update(found)
    assert any(y > 12 - 5 for y, _ in corners)
    assert any(x > 16 - 7 for _, x in corners)


def test_a_crop_of_a_bounded_grid_stays_inside(life_file: Path, life: torch.Tensor) -> None:
    with TrajectoryDataset([life_file], frames=2, crop=(11, 15), periodic=False) as dataset:
        for seed in range(20):
            window = dataset[WindowSample(3, seed=seed)]
            inside = [life[3:5, 0, :, y : y + 11, x : x + 15] for y in range(2) for x in range(2)]
            assert any(torch.equal(part, window) for part in inside)


def test_the_symmetries_of_the_square_are_eight_and_commute_with_life(life_file: Path) -> None:
    with TrajectoryDataset([life_file], frames=2, crop=(12, 12), periodic=False, symmetries=True) as dataset:
        windows = [dataset[WindowSample(2, seed=seed)] for seed in range(400)]
    by_symmetry = {window.numpy().tobytes() for window in windows}
    assert len(by_symmetry) == 5 * 8  # five corners, eight symmetries
    law = Life()
    for window in windows[:20]:  # a turned step is a step of the turned cells, away from the cut
        assert torch.equal(law(window[:1])[..., 1:-1, 1:-1], window[1:][..., 1:-1, 1:-1])


def test_a_sample_is_the_same_whenever_it_is_read(life_file: Path) -> None:
    with TrajectoryDataset([life_file], frames=4, crop=(6, 6), symmetries=True) as dataset:
        assert torch.equal(dataset[WindowSample(5, 3, seed=9)], dataset[WindowSample(5, 3, seed=9)])
        assert dataset[WindowSample(5, 3, seed=9)].shape == (3, 1, 6, 6)


def test_a_split_by_run_shares_no_universe_and_one_by_time_no_frame(life_file: Path, life: torch.Tensor) -> None:
    with TrajectoryDataset([life_file], frames=3) as dataset:
        train, held_out = dataset.split(0.3, by="run")
        with held_out:
            assert (len(train), len(held_out)) == (2 * 19, 19)
            assert torch.equal(held_out[0], life[:3, 2])
        train, held_out = dataset.split(0.3, by="time")
        with train, held_out:
            assert (len(train), len(held_out)) == (3 * 13, 3 * 4)
            assert torch.equal(train[len(train) // 3 - 1], life[12:15, 0])  # frames 0..14 and 15..20
            assert torch.equal(held_out[0], life[15:18, 0])


def test_no_window_reaches_over_an_edit(tmp_path: Path) -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", EAGER)
    with Recorder(motor, tmp_path / "edited.h5", fields=["cells"]):
        motor.step(5)
        motor.set_cells(torch.zeros(1, 2, 2), at=(0, 0))
        motor.step(5)
    with TrajectoryDataset([tmp_path / "edited.h5"], frames=4) as dataset:
        assert dataset.runs[0].segments == ((0, 5), (6, 10))
        assert len(dataset) == 3 + 2


def test_opening_and_splitting_reads_no_cells(life_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("cells were read")

    monkeypatch.setattr(TrajectoryDataset, "_read", refuse)
    with TrajectoryDataset([life_file], frames=3) as dataset:
        assert len(dataset.split(0.5)[0]) > 0
        with pytest.raises(AssertionError, match="cells were read"):
            dataset[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_samples_drawn_and_leave_no_file_open(life_file: Path, workers: int) -> None:
    dataset = TrajectoryDataset([life_file], frames=4, crop=(6, 6))
    schedule = SampleSchedule(len(dataset), 5, lambda step: 2 + step, 0, 3, seed=7)
    expected = [torch.stack([dataset[sample] for sample in samples]) for samples in schedule]
    dataset.close()
    with Batches(dataset, schedule, CPU, workers) as batches:
        for (batch,), wanted in zip(batches, expected, strict=True):
            assert torch.equal(batch, wanted)
    assert not [file for file in psutil.Process().open_files() if file.path == os.fspath(life_file)]


def test_a_schedule_continues_from_any_step() -> None:
    def drawn(first: int) -> list[list[WindowSample]]:
        return list(SampleSchedule(100, 3, lambda _: 2, first, 10, seed=1))

    assert drawn(0)[4:] == drawn(4)
    assert drawn(0) != list(SampleSchedule(100, 3, lambda _: 2, 0, 10, seed=2))


def test_reading_ends_early_without_a_trace(life_file: Path) -> None:
    dataset = TrajectoryDataset([life_file], frames=4)
    batches = Batches(dataset, SampleSchedule(len(dataset), 2, lambda _: 4, 0, 1000, seed=0), CPU)
    next(iter(batches))
    batches.close()
    batches.close()
    assert not [file for file in psutil.Process().open_files() if file.path == os.fspath(life_file)]


def test_a_cancelled_dataset_refuses_reads_and_raises_in_the_waiting_thread(life_file: Path) -> None:
    dataset = TrajectoryDataset([life_file], frames=4)
    with Batches(dataset, SampleSchedule(len(dataset), 2, lambda _: 4, 0, 1000, seed=0), CPU) as batches:
        dataset.cancel()
        with pytest.raises(RecordingError, match="cancelled"):
            list(batches)


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    noise = Aetheria_Motor(_Noise(), 256, 1, "cpu", EAGER, seed=1)
    with Recorder(noise, tmp_path / "noise.h5", fields=["cells"]):
        noise.step(400)  # 100 MiB of cells
    with TrajectoryDataset([tmp_path / "noise.h5"], frames=4, crop=(32, 32)) as dataset:
        for window in range(20):
            dataset[WindowSample(window, seed=window)]
        before = psutil.Process().memory_info().rss
        for window in range(20, len(dataset), 2):
            dataset[WindowSample(window, seed=window)]
        assert psutil.Process().memory_info().rss - before < 20 * 2**20


def test_windows_are_not_kept_after_reading(life_file: Path) -> None:
    """HDF5 itself would keep 8 MiB of each channel."""
    with TrajectoryDataset([life_file], frames=4) as dataset, Recording(life_file) as recording:
        dataset.batch([WindowSample(window) for window in range(len(dataset))])
        slots, size, _ = recording.dataset("channel_0").id.get_access_plist().get_chunk_cache()
        assert slots
        assert size <= 2**18


class _Noise(Life):
    """Cells that do not compress."""

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        return torch.frac(cells * 977.7 + 0.137)


# -- bad input -------------------------------------------------------------------------------------------------------------


def test_a_damaged_frame_is_named(tmp_path: Path) -> None:
    record(tmp_path / "life.h5", Life(), (12, 16), 1, 8)
    with h5py.File(tmp_path / "life.h5") as file:
        chunk = file["channel_0"].id.get_chunk_info_by_coord((5, 0, 0))
    with (tmp_path / "life.h5").open("r+b") as raw:
        raw.seek(chunk.byte_offset + chunk.size // 2)
        raw.write(b"\xff\x00\xff")
    with TrajectoryDataset([tmp_path / "life.h5"], frames=2) as dataset:
        assert dataset[0].shape == (2, 1, 12, 16)
        with pytest.raises(RecordingError, match="frame 5 cannot be read; a damaged chunk"):
            dataset[4]


def test_no_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\*\.h5: no recording found"):
        TrajectoryDataset([tmp_path / "nothing*.h5"], frames=2)
    with pytest.raises(ConfigError, match="none given"):
        TrajectoryDataset([], frames=2)


def test_mixed_laws_and_shapes_are_refused(folder: Path, life_file: Path) -> None:
    record(folder / "larger.h5", Life(), (16, 16), 1, 3)
    record(folder / "other.h5", GrowingNCA(4, 4), (12, 16), 4, 3)
    with pytest.raises(ConfigError, match=r"life\.h5 and larger\.h5 differ in grid: \(12, 16\) and \(16, 16\)"):
        TrajectoryDataset([life_file, folder / "larger.h5"], frames=2)
    with pytest.raises(ConfigError, match="differ in law: Life and GrowingNCA"):
        TrajectoryDataset([life_file, folder / "other.h5"], frames=2)


def test_too_few_frames_for_the_rollout_say_how_many_there_are(life_file: Path) -> None:
    with pytest.raises(ConfigError, match="needs 22 consecutive frames, and the longest segment has 21"):
        TrajectoryDataset([life_file], frames=22)


def test_a_recording_without_all_channels_says_what_to_record(tmp_path: Path) -> None:
    motor = Aetheria_Motor(GrowingNCA(5, 4), 8, 5, "cpu", EAGER)
    with Recorder(motor, tmp_path / "rgb.h5", fields=["rgb"]):
        motor.step(3)
    with pytest.raises(RecordingError, match=r'rgb\.h5: holds rgb, but not channel_0.*fields = \["cells"\]'):
        TrajectoryDataset([tmp_path / "rgb.h5"], frames=2)


def test_averages_and_changed_laws_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "small.h5", Life(), (8, 8), 1, 3, size=4)
    with pytest.raises(RecordingError, match="4 x 4 averages of 8 x 8 cells"):
        TrajectoryDataset([tmp_path / "small.h5"], frames=2)
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", EAGER)
    with Recorder(motor, tmp_path / "steered.h5", fields=["cells"]):
        motor.step(2)
        motor.set_control("rule", "B36/S23")
        motor.step(2)
    with pytest.raises(RecordingError, match="rule was edited at step 2"):
        TrajectoryDataset([tmp_path / "steered.h5"], frames=2)


def test_a_crop_larger_than_the_grid_and_a_split_of_one_run_are_refused(tmp_path: Path) -> None:
    record(tmp_path / "one.h5", Life(), (8, 8), 1, 3)
    with pytest.raises(ConfigError, match=r"crop: \[9, 8\] given; expected at most the grid, 8 x 8"):
        TrajectoryDataset([tmp_path / "one.h5"], frames=2, crop=(9, 8))
    with TrajectoryDataset([tmp_path / "one.h5"], frames=2) as dataset, pytest.raises(ConfigError, match="two runs or more"):
        dataset.split(0.5, by="run")
    assert np.isfinite(dataset[0].numpy()).all()
