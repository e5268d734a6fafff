"""Disk space of a recording: estimated before it begins, measured while it grows, compared with the free space."""

import math
from pathlib import Path

import psutil
from h5py import h5z

from aetheria.core.errors import DiskFullError
from aetheria.core.memory_limits import size
from aetheria.core.printable import get_logger
from aetheria.observe.request import Request
from aetheria.recording.compress import LZ4, MAX_RATIO, ZSTANDARD
from aetheria.recording.schema import Codec

SPARE_BYTES = 2**20  # kept free on the disk: closing a file needs some, and so do other programs
_ROW_BYTES = 40  # of a frame besides its fields: step, times, and HDF5's index entry
_FILTERS = {"gzip": h5z.FILTER_DEFLATE, "fast": LZ4, "compact": ZSTANDARD}
_MEASURED = 10  # frames after which their mean size is a fair estimate

log = get_logger(__name__)


def free_bytes(folder: Path) -> int:
    """Bytes free on a folder's disk for this user."""
    return int(psutil.disk_usage(str(folder)).free)


def frame_bytes(request: Request, shape: tuple[int, ...]) -> int:
    """Bytes of a recorded frame before compression, of cells `(B, C, *grid)`."""
    batch, _, *grid = shape
    pixel = {"float32": 4, "float16": 2, "uint8": 1}[request.dtype]
    planes = sum(3 if field.name == "rgb" else 1 for field in request.fields if not field.scalar)
    scalars = sum(field.scalar for field in request.fields)
    return batch * (planes * math.prod(request.shown_size(tuple(grid))) * pixel + 8 * scalars) + _ROW_BYTES


class DiskBudget:
    """Compares the size of a recording's remaining frames with the free space on its disk."""

    def __init__(self, path: Path, until: int | None, every: int) -> None:
        """
        Args:
            path: of the file.
            until: the step at which the run ends; None where it is unknown, and nothing is estimated.
            every: steps between frames.
        """
        self._path, self._until, self._every = path, until, every
        self._first: tuple[int, int] | None = None  # frames and bytes of the file at the first measurement
        self._free = 0
        self._warned = False

    def check_forecast(self, step: int, frame: int, codec: Codec, freed: int) -> None:
        """Before the first frame: warns if the frames after `step` do not fit uncompressed.

        Args:
            step: the last one before them.
            frame: bytes of one frame, uncompressed.
            freed: bytes of the file that is replaced.

        Raises:
            DiskFullError: they do not fit even at the best compression that the codec's format allows.
        """
        frames, free = self._frames_after(step), free_bytes(self._path.parent) + freed - SPARE_BYTES
        if not frames or frames * frame <= free:
            return
        least = frames * (_ROW_BYTES + (frame - _ROW_BYTES) // MAX_RATIO[_FILTERS[codec]])
        needed = f"{self._path}: {frames:,} frames of {size(frame)} are {size(frames * frame)} before compression"
        if least > free:
            raise DiskFullError(
                f"{needed}, at least {size(least)} after, and {size(max(free, 0))} are free; "
                "make room, or record fewer or smaller frames ([record] every, size, slice, dtype)"
            )
        log.warning("%s, and %s are free; when the disk is full the run stops, and its frames are kept", needed, size(free))

    def has_room(self, nbytes: int) -> bool:
        """Whether the disk has room for so many bytes now."""
        self._free = free_bytes(self._path.parent)
        return self._free >= SPARE_BYTES + nbytes

    def check_growth(self, step: int, frames: int, nbytes: int) -> None:
        """After a frame: warns, once, if the remaining frames will not fit at the mean size of those written.

        Args:
            step: of the frame.
            frames: in the file.
            nbytes: size of the file.
        """
        if self._until is None or self._warned:
            return
        first, began = self._first = self._first or (frames, nbytes)
        if frames < first + _MEASURED:
            return
        frame, left, free = (nbytes - began) / (frames - first), self._frames_after(step), max(0, self._free - SPARE_BYTES)
        if left * frame > free:
            self._warned = True
            log.warning(
                "%s: at %s a frame, the %s frames to come need %s, and %s are free: enough for %s of them",
                *(self._path, size(frame), f"{left:,}", size(left * frame), size(free), f"{free / frame:,.0f}"),
            )

    def _frames_after(self, step: int) -> int:
        return 0 if self._until is None else max(0, self._until // self._every - step // self._every)
