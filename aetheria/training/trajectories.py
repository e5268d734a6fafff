"""Windows of recorded runs as a dataset, read lazily."""

import math
import mmap
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from aetheria.core.errors import ConfigError, RecordingError
from aetheria.recording.compress import read_row
from aetheria.recording.validate import check_read
from aetheria.training.recorded_runs import OpenRecordings, RecordedRun, channel_names, check_alike, find_recordings, read_run

Split = Literal["run", "time"]


@dataclass(frozen=True)
class WindowSample:
    """A sample of a dataset: a window, cropped and transformed.

    Attributes:
        window: its number in the dataset.
        frames: number of frames to read, at most those of the window; None for all.
        seed: of the crop and the symmetry.
    """

    window: int
    frames: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class _Segment:
    """Frames first..last of one universe of one recording; windows lie inside a segment."""

    run: int
    universe: int
    first: int
    last: int


class TrajectoryDataset(Dataset[Tensor]):
    """Windows `(frames, C, h, w)` of consecutive cells from one or many recordings, float32.

    Opening it reads metadata only; cells are read with their window, so that memory does not grow with the recordings. Each
    process that reads opens files of its own at its first read, and closes them with `close`.

        with TrajectoryDataset(["runs/*.h5"], frames=9) as dataset:
            train, held_out = dataset.split(0.2, by="run")

    Attributes:
        runs: the recordings, described by their metadata.
        frames: number of frames of a window.
        shape: (C, h, w) of a frame.
    """

    def __init__(
        self,
        recordings: Sequence[str | Path],
        frames: int,
        *,
        stride: int = 1,
        crop: tuple[int, int] | None = None,
        symmetries: bool = False,
        periodic: bool = True,
    ) -> None:
        """
        Args:
            recordings: files, or patterns ("runs/*.h5"). They must hold every channel at full size.
            frames: of a window, 2 or more.
            stride: recorded frames between two frames of a window.
            crop: (height, width) of a random part of the grid; None for all of it.
            symmetries: rotate and mirror windows at random; for laws that have the eight symmetries of the square.
            periodic: the grid is a torus: crops may cross its edge, and without a crop the origin is shifted at random.

        Raises:
            ConfigError: no recordings, recordings of different laws or shapes, too few frames, or a crop that does not fit.
            RecordingError: one cannot be read, or does not hold the cells.
        """
        if frames < 2 or stride < 1:
            raise ConfigError(f"[data] frames {frames}, stride {stride}; expected 2 or more frames, and a stride of 1 or more")
        self.runs = tuple(read_run(path) for path in find_recordings(recordings))
        check_alike(self.runs)
        self.stride, self.periodic = stride, periodic
        self._cancelled = False
        self._recordings = OpenRecordings()
        self._segments = self._all_segments()
        self._set_shape(frames, crop, symmetries)
        if not len(self):
            longest = max((last - first + 1 for r in self.runs for first, last in r.segments), default=0)
            raise ConfigError(
                f"[data] recordings: a window needs {self._span} consecutive frames, and the longest segment has {longest}; "
                "use a shorter rollout, or longer recordings"
            )

    def with_windows(self, frames: int, *, crop: tuple[int, int] | None = None, symmetries: bool = False) -> Self:
        """A dataset of other windows in the same segments; arguments and errors as for a new dataset."""
        part = self._part(self._segments)
        part._set_shape(frames, crop, symmetries)
        return part

    def _set_shape(self, frames: int, crop: tuple[int, int] | None, symmetries: bool) -> None:
        run = self.runs[0]
        if crop and not all(1 <= side <= size for side, size in zip(crop, (run.height, run.width), strict=True)):
            raise ConfigError(f"[data] crop: {list(crop)} given; expected at most the grid, {run.height} x {run.width}")
        height, width = self._size = crop or (run.height, run.width)
        if symmetries and height != width:
            raise ConfigError(
                f"[data] symmetries: {height} x {width} cells cannot be rotated; expected a square grid, or a square crop"
            )
        self.frames, self.symmetries = frames, symmetries
        self.shape = (run.channels, height, width)
        self._set_segments(self._segments)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, sample: WindowSample | int) -> Tensor:
        """The window `(frames, C, h, w)` of a sample; for a bare number, neither cropped at random nor transformed.

        Raises:
            RecordingError: the file is damaged there, or reading was cancelled.
        """
        wanted = WindowSample(int(sample)) if not isinstance(sample, WindowSample) else sample
        if not 0 <= wanted.window < len(self):
            raise IndexError(wanted.window)
        number = int(np.searchsorted(self._ends, wanted.window, "right"))
        segment = self._segments[number]
        start = segment.first + wanted.window - (int(self._ends[number - 1]) if number else 0)
        # Its own generator: a sample must be the same in any worker, and after a resume.
        rng = random.Random(wanted.seed) if isinstance(sample, WindowSample) else None  # noqa: S311 - no secret
        cells = self._read(segment, start, wanted.frames or self.frames, self._corner(rng))
        return torch.from_numpy(np.ascontiguousarray(self._transformed(cells, rng)))

    def batch(self, samples: Sequence[WindowSample]) -> Tensor:
        """The windows `(B, frames, C, h, w)` of samples with equal numbers of frames; raises as `dataset[sample]`.

        Each is read into its place, because stacking would hold two copies. The memory is mapped from the system and returned
        to it: an allocator would keep memory that one thread allocates and another frees.
        """
        shape = (len(samples), samples[0].frames or self.frames, *self.shape)
        cells = torch.frombuffer(mmap.mmap(-1, 4 * math.prod(shape)), dtype=torch.float32).view(shape)
        for window, sample in zip(cells, samples, strict=True):
            window.copy_(self[sample])
        return cells

    def split(self, share: float, by: Split = "run") -> tuple[Self, Self]:
        """Datasets for training and for validation. No cells are read; each opens and closes files of its own.

        Args:
            share: held out, above 0 and below 1.
            by: "run" (the last runs; each universe counts as a run) or "time" (the end of each run).

        Raises:
            ConfigError: too few or too short runs for such a split.
        """
        if not 0 < share < 1:
            raise ConfigError(f"[data] validation: {share} given; expected a share above 0 and below 1")
        parts = self._by_run(share) if by == "run" else self._by_time(share)
        train, held_out = (self._part(part) for part in parts)
        if not len(train) or not len(held_out):
            wanted = "two runs or more" if by == "run" else f"recordings long enough for two windows of {self._span} frames"
            raise ConfigError(f'[data] split: "{by}" leaves nothing to train on or to validate with; expected {wanted}')
        return train, held_out

    def cancel(self) -> None:
        """Refuses every later read in this process; called from another thread than the one that reads."""
        self._cancelled = True

    def close(self) -> None:
        """Closes this process's files; the next read opens them again."""
        self._recordings.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # A worker process gets the metadata, not the open files.
        return self.__dict__ | {"_recordings": OpenRecordings()}

    # -- which windows there are ---------------------------------------------------------------------------------------

    @property
    def _span(self) -> int:
        """Recorded frames that a window spans."""
        return (self.frames - 1) * self.stride + 1

    def _all_segments(self) -> list[_Segment]:
        return [
            _Segment(number, universe, first, last)
            for number, run in enumerate(self.runs)
            for universe in range(run.universes)
            for first, last in run.segments
        ]

    def _set_segments(self, segments: Sequence[_Segment]) -> None:
        self._segments = list(segments)
        self._ends = np.cumsum([max(0, s.last - s.first + 2 - self._span) for s in segments], dtype=np.int64)

    def _part(self, segments: Sequence[_Segment]) -> Self:
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__ | {"_recordings": OpenRecordings()})
        part._set_segments(segments)
        return part

    def _by_run(self, share: float) -> tuple[list[_Segment], list[_Segment]]:
        names = list(dict.fromkeys((s.run, s.universe) for s in self._segments))
        held = set(names[len(names) - max(1, round(share * len(names))) :])
        return (
            [s for s in self._segments if (s.run, s.universe) not in held],
            [s for s in self._segments if (s.run, s.universe) in held],
        )

    def _by_time(self, share: float) -> tuple[list[_Segment], list[_Segment]]:
        before, after = [], []
        for s in self._segments:
            cut = s.last + 1 - max(self._span, round(share * (s.last + 1 - s.first)))
            before.append(_Segment(s.run, s.universe, s.first, cut - 1))
            after.append(_Segment(s.run, s.universe, max(cut, s.first), s.last))
        return before, after

    # -- reading -------------------------------------------------------------------------------------------------------

    def _corner(self, rng: random.Random | None) -> tuple[int, int]:
        """(top, left) of the crop; it may cross the edge of a torus."""
        if rng is None:
            return 0, 0
        run = self.runs[0]
        room = [
            size if self.periodic else size - side + 1 for size, side in zip((run.height, run.width), self._size, strict=True)
        ]
        return rng.randrange(room[0]), rng.randrange(room[1])

    def _read(self, segment: _Segment, start: int, frames: int, corner: tuple[int, int]) -> NDArray[np.float32]:
        run = self.runs[segment.run]
        (top, left), (height, width) = corner, self._size
        columns = np.arange(left, left + width) % run.width
        cells = np.empty((frames, run.channels, height, width), np.float32)
        recording = self._recordings.open(run.path)
        for channel, name in enumerate(channel_names(run.channels)):
            data = recording.dataset(name)
            check_read(data, 1, run.path)
            for frame in range(frames):
                if self._cancelled:
                    raise RecordingError(f"{run.path}: reading was cancelled")
                place = start + frame * self.stride, segment.universe if run.universes > 1 else None
                cells[frame, channel] = self._rows(data, place, top, height, run)[:, columns]
        return cells

    def _rows(
        self, data: h5py.Dataset, place: tuple[int, int | None], top: int, height: int, run: RecordedRun
    ) -> NDArray[np.float32]:
        """Rows from `top` of one frame, across the edge of a torus if necessary, in the unit of the field."""
        wraps = top + height > run.height
        part = slice(None) if wraps else slice(top, top + height)
        frame, n = place
        try:
            # Bypasses HDF5's chunk cache, which is useless for random windows.
            found = read_row(data, frame, slice(n, n + 1))[0, part] if n is not None else read_row(data, frame, part)
        except (OSError, RuntimeError, ValueError) as error:  # HDF5 raises either of the first two
            raise RecordingError(f"{run.path}: frame {frame} cannot be read; {error}") from error
        rows = (found[np.arange(top, top + height) % run.height] if wraps else found).astype(np.float32)
        scale = data.attrs.get("scale_factor")
        return rows if scale is None else (rows * np.float32(scale) + np.float32(data.attrs["add_offset"])).astype(np.float32)

    def _transformed(self, cells: NDArray[np.float32], rng: random.Random | None) -> NDArray[np.float32]:
        """One of the eight symmetries of the square, the same for every frame."""
        if rng is None or not self.symmetries:
            return cells
        rotated = np.rot90(cells, rng.randrange(4), (-2, -1))
        return rotated[..., ::-1] if rng.random() < 0.5 else rotated
