"""How much room a recording takes: estimated before it begins, measured while it grows, against what the disk has."""

import logging
from pathlib import Path

import psutil
from h5py import h5z

from aetheria.core.errors import DiskFullError
from aetheria.core.memory_limits import size
from aetheria.observe.request import Request
from aetheria.recording.compress import EXPANDS, LZ4, ZSTANDARD
from aetheria.recording.schema import Codec

SPARE_BYTES = 2**20  # left free on the disk: closing a file needs some, and other programs do
_ROW_BYTES = 40  # of a frame besides its fields: step, times, and what HDF5 keeps of it
_FILTERS = {"gzip": h5z.FILTER_DEFLATE, "fast": LZ4, "compact": ZSTANDARD}
_MEASURED = 10  # frames after which their size is known well enough to speak of it

log = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """What a disk has left for us."""
    return int(psutil.disk_usage(str(folder)).free)


def frame_bytes(request: Request, shape: tuple[int, ...]) -> int:
    """Bytes of a recorded frame before compression, of cells `(B, C, H, W)`."""
    batch, _, height, width = shape
    if request.size is not None:
        height, width = min(height, request.size[0]), min(width, request.size[1])
    pixel = {"float32": 4, "float16": 2, "uint8": 1}[request.dtype]
    planes = sum(3 if field.name == "rgb" else 1 for field in request.fields if not field.scalar)
    scalars = sum(field.scalar for field in request.fields)
    return batch * (planes * height * width * pixel + 8 * scalars) + _ROW_BYTES


class DiskBudget:
    """Whether the disk takes what is left of a recording."""

    def __init__(self, path: Path, until: int | None, every: int) -> None:
        """
        Args:
            path: of the file.
            until: the step at which the run ends; None where nobody knows, and nothing is foreseen.
            every: steps between frames.
        """
        self._path, self._until, self._every = path, until, every
        self._first: tuple[int, int] | None = None  # frames, and bytes of the file, when they were first looked at
        self._free = 0
        self._told = False

    def foresee(self, step: int, frame: int, codec: Codec, freed: int) -> None:
        """Before the first frame: warns where the frames to come do not fit uncompressed.

        Args:
            step: after which they come.
            frame: bytes of one, uncompressed.
            freed: bytes of the file that is replaced.

        Raises:
            DiskFullError: they do not fit however well they compress, by the limits of the codec's format.
        """
        frames, free = self._left(step), free_bytes(self._path.parent) + freed - SPARE_BYTES
        if not frames or frames * frame <= free:
            return
        least = frames * (_ROW_BYTES + (frame - _ROW_BYTES) // EXPANDS[_FILTERS[codec]])
        said = f"{self._path}: {frames:,} frames of {size(frame)} are {size(frames * frame)} before compression"
        if least > free:
            raise DiskFullError(
                f"{said}, at least {size(least)} after, and {size(max(free, 0))} are free; "
                "make room, or record fewer or smaller frames ([record] every, size, dtype)"
            )
        log.warning("%s, and %s are free; the run stops with what it has when they are taken", said, size(free))

    def takes(self, nbytes: int) -> bool:
        """Whether the disk takes so many bytes now."""
        self._free = free_bytes(self._path.parent)
        return self._free >= SPARE_BYTES + nbytes

    def watch(self, step: int, frames: int, nbytes: int) -> None:
        """After a frame: warns, once, where those to come will not fit if they are as large as those there are.

        Args:
            step: of the frame.
            frames, nbytes: in the file, and of it.
        """
        if self._until is None or self._told:
            return
        first, began = self._first = self._first or (frames, nbytes)
        if frames < first + _MEASURED:
            return
        frame, left, free = (nbytes - began) / (frames - first), self._left(step), max(0, self._free - SPARE_BYTES)
        if left * frame > free:
            self._told = True
            log.warning(
                "%s: at %s a frame, the %s frames to come need %s, and %s are free: enough for %s of them",
                *(self._path, size(frame), f"{left:,}", size(left * frame), size(free), f"{free / frame:,.0f}"),
            )

    def _left(self, step: int) -> int:
        """Frames that come after a step."""
        return 0 if self._until is None else max(0, self._until // self._every - step // self._every)
