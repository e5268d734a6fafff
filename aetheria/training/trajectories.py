"""Windows of recorded runs, read when they are asked for."""

import math
import mmap
import random
from collections import OrderedDict
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
from aetheria.recording import Recording
from aetheria.recording.compress import read_row
from aetheria.training.dataset import Run, channel_names, check_alike, examine, find_recordings

Split = Literal["run", "time"]
_MOST_OPEN = 16  # files at a time; the one used longest ago is closed for the next


@dataclass(frozen=True)
class Sample:
    """One window to read.

    Attributes:
        window: its number in the dataset.
        frames: how many to read, at most the dataset's own; None for all.
        seed: of the crop and the symmetry.
    """

    window: int
    frames: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class _Stretch:
    """Frames first..last of one universe of one recording; a window may start at any that leaves room for it."""

    run: int
    universe: int
    first: int
    last: int


class TrajectoryDataset(Dataset[Tensor]):
    """Windows `(frames, C, h, w)` of consecutive cells from one or many recordings, float32.

    Opening it reads metadata only; cells are read when a window is asked for, so that memory does not grow with the
    recordings. Each process that reads has handles of its own, opened when it first reads and closed by `close`.

        with TrajectoryDataset(["runs/*.h5"], frames=9) as dataset:
            train, held_out = dataset.split(0.2, by="run")

    Attributes:
        runs: what is known of each recording.
        frames: of a window.
        shape: (C, h, w) of a frame as it comes out.
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
            stride: recorded frames from one frame of a window to the next.
            crop: (height, width) of a random part of the grid; None for all of it.
            symmetries: turn and mirror windows at random, the eight symmetries of the square; for laws that have them.
            periodic: the grid is a torus: crops may cross its edge, and without a crop the origin is moved at random.

        Raises:
            ConfigError: no recordings, recordings of different laws or shapes, too few frames, or a crop that does not fit.
            RecordingError: one cannot be read, or does not hold the cells.
        """
        if frames < 2 or stride < 1:
            raise ConfigError(f"[data] frames {frames}, stride {stride}; expected 2 or more frames, and a stride of 1 or more")
        self.runs = tuple(examine(path) for path in find_recordings(recordings))
        check_alike(self.runs)
        self.stride, self.periodic = stride, periodic
        self._cancelled = False
        self._handles = _Handles()
        self._stretches = self._all_stretches()
        self._look(frames, crop, symmetries)
        if not len(self):
            longest = max((last - first + 1 for r in self.runs for first, last in r.stretches), default=0)
            raise ConfigError(
                f"[data] recordings: a window needs {self._span} frames on end, and the longest stretch has {longest}; "
                "use a shorter rollout, or longer recordings"
            )

    def viewed(self, frames: int, *, crop: tuple[int, int] | None = None, symmetries: bool = False) -> Self:
        """Other windows of the same runs and times; arguments and errors as for a new dataset."""
        part = self._with(self._stretches)
        part._look(frames, crop, symmetries)
        return part

    def _look(self, frames: int, crop: tuple[int, int] | None, symmetries: bool) -> None:
        run = self.runs[0]
        if crop and not all(1 <= side <= size for side, size in zip(crop, (run.height, run.width), strict=True)):
            raise ConfigError(f"[data] crop: {list(crop)} given; expected at most the grid, {run.height} x {run.width}")
        height, width = self._size = crop or (run.height, run.width)
        if symmetries and height != width:
            raise ConfigError(
                f"[data] symmetries: {height} x {width} cells cannot be turned; expected a square grid, or a square crop"
            )
        self.frames, self.symmetries = frames, symmetries
        self.shape = (run.channels, height, width)
        self._take(self._stretches)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, sample: Sample | int) -> Tensor:
        """The window `(frames, C, h, w)` that a sample describes; of a bare number, as it was recorded.

        Raises:
            RecordingError: the file is damaged there, or reading was cancelled.
        """
        wanted = Sample(int(sample)) if not isinstance(sample, Sample) else sample
        if not 0 <= wanted.window < len(self):
            raise IndexError(wanted.window)
        number = int(np.searchsorted(self._ends, wanted.window, "right"))
        stretch = self._stretches[number]
        start = stretch.first + wanted.window - (int(self._ends[number - 1]) if number else 0)
        # An augmented window is known by its sample alone: the same in any worker, and after a resume.
        chance = random.Random(wanted.seed) if isinstance(sample, Sample) else None  # noqa: S311 - no secret
        cells = self._read(stretch, start, wanted.frames or self.frames, self._corner(chance))
        return torch.from_numpy(np.ascontiguousarray(self._turned(cells, chance)))

    def batch(self, samples: Sequence[Sample]) -> Tensor:
        """The windows `(B, frames, C, h, w)` of samples that ask for as many frames each; raises as `dataset[sample]`.

        Each is read into its place: stacked, they would be there twice. The memory is the system's and goes back to it: what
        one thread gives to another, an allocator would keep for the first.
        """
        shape = (len(samples), samples[0].frames or self.frames, *self.shape)
        cells = torch.frombuffer(mmap.mmap(-1, 4 * math.prod(shape)), dtype=torch.float32).view(shape)
        for place, sample in zip(cells, samples, strict=True):
            place.copy_(self[sample])
        return cells

    def split(self, share: float, by: Split = "run") -> tuple[Self, Self]:
        """For training and for validation; nothing is read. Each part opens and closes files of its own.

        Args:
            share: held out, above 0 and below 1.
            by: "run" (whole runs, the last ones; universes that ran together are runs apart) or "time" (the end of each).

        Raises:
            ConfigError: there are too few runs, or they are too short, to be split so.
        """
        if not 0 < share < 1:
            raise ConfigError(f"[data] validation: {share} given; expected a share above 0 and below 1")
        parts = self._by_run(share) if by == "run" else self._by_time(share)
        train, held_out = (self._with(part) for part in parts)
        if not len(train) or not len(held_out):
            wanted = "two runs or more" if by == "run" else f"recordings long enough for two windows of {self._span} frames"
            raise ConfigError(f'[data] split: "{by}" leaves nothing to train on or to validate with; expected {wanted}')
        return train, held_out

    def cancel(self) -> None:
        """Every later read in this process is refused; for another thread than the one that reads."""
        self._cancelled = True

    def close(self) -> None:
        """Closes this process's files; the next read opens them again."""
        self._handles.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        # A worker gets what is known of the files, not the open files.
        return self.__dict__ | {"_handles": _Handles()}

    # -- which windows there are ---------------------------------------------------------------------------------------

    @property
    def _span(self) -> int:
        """Recorded frames that a window spans."""
        return (self.frames - 1) * self.stride + 1

    def _all_stretches(self) -> list[_Stretch]:
        return [
            _Stretch(number, universe, first, last)
            for number, run in enumerate(self.runs)
            for universe in range(run.universes)
            for first, last in run.stretches
        ]

    def _take(self, stretches: Sequence[_Stretch]) -> None:
        self._stretches = list(stretches)
        self._ends = np.cumsum([max(0, s.last - s.first + 2 - self._span) for s in stretches], dtype=np.int64)

    def _with(self, stretches: Sequence[_Stretch]) -> Self:
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__ | {"_handles": _Handles()})
        part._take(stretches)
        return part

    def _by_run(self, share: float) -> tuple[list[_Stretch], list[_Stretch]]:
        names = list(dict.fromkeys((s.run, s.universe) for s in self._stretches))
        held = set(names[len(names) - max(1, round(share * len(names))) :])
        return (
            [s for s in self._stretches if (s.run, s.universe) not in held],
            [s for s in self._stretches if (s.run, s.universe) in held],
        )

    def _by_time(self, share: float) -> tuple[list[_Stretch], list[_Stretch]]:
        before, after = [], []
        for s in self._stretches:
            cut = s.last + 1 - max(self._span, round(share * (s.last + 1 - s.first)))
            before.append(_Stretch(s.run, s.universe, s.first, cut - 1))
            after.append(_Stretch(s.run, s.universe, max(cut, s.first), s.last))
        return before, after

    # -- reading -------------------------------------------------------------------------------------------------------

    def _corner(self, chance: random.Random | None) -> tuple[int, int]:
        """(top, left) of the part that is read; it may cross the edge of a torus."""
        if chance is None:
            return 0, 0
        run = self.runs[0]
        room = [
            size if self.periodic else size - side + 1 for size, side in zip((run.height, run.width), self._size, strict=True)
        ]
        return chance.randrange(room[0]), chance.randrange(room[1])

    def _read(self, stretch: _Stretch, start: int, frames: int, corner: tuple[int, int]) -> NDArray[np.float32]:
        run = self.runs[stretch.run]
        (top, left), (height, width) = corner, self._size
        columns = np.arange(left, left + width) % run.width
        cells = np.empty((frames, run.channels, height, width), np.float32)
        recording = self._handles.open(run.path)
        for channel, name in enumerate(channel_names(run.channels)):
            data = recording.dataset(name)
            for frame in range(frames):
                if self._cancelled:
                    raise RecordingError(f"{run.path}: reading was cancelled")
                place = start + frame * self.stride, stretch.universe if run.universes > 1 else None
                cells[frame, channel] = self._rows(data, place, top, height, run)[:, columns]
        return cells

    def _rows(self, data: h5py.Dataset, place: tuple[int, int | None], top: int, height: int, run: Run) -> NDArray[np.float32]:
        """Rows top.. of one frame, over the edge of the torus where they must; in the unit of the field."""
        over = top + height > run.height
        part = slice(None) if over else slice(top, top + height)
        frame, n = place
        try:
            # Past HDF5's cache of chunks, of which random windows have no use.
            found = read_row(data, frame, slice(n, n + 1))[0, part] if n is not None else read_row(data, frame, part)
        except (OSError, RuntimeError, ValueError) as error:  # HDF5 raises either of the first two
            raise RecordingError(f"{run.path}: frame {frame} cannot be read; {error}") from error
        rows = (found[np.arange(top, top + height) % run.height] if over else found).astype(np.float32)
        scale = data.attrs.get("scale_factor")
        return rows if scale is None else (rows * np.float32(scale) + np.float32(data.attrs["add_offset"])).astype(np.float32)

    def _turned(self, cells: NDArray[np.float32], chance: random.Random | None) -> NDArray[np.float32]:
        """One of the eight symmetries of the square, the same for every frame."""
        if chance is None or not self.symmetries:
            return cells
        turned = np.rot90(cells, chance.randrange(4), (-2, -1))
        return turned[..., ::-1] if chance.random() < 0.5 else turned


class _Handles:
    """Recordings open in this process, a few at a time."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, Recording] = OrderedDict()

    def open(self, path: Path) -> Recording:
        if path not in self._open:
            while len(self._open) >= _MOST_OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[path] = Recording(path)
        self._open.move_to_end(path)
        return self._open[path]

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
