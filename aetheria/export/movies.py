"""Movies, written picture by picture: MP4 by PyAV, GIF by Pillow."""

import math
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from aetheria.core.errors import ConfigError
from aetheria.files.atomic import atomic_write

_TICKS = 90_000  # a second in an MP4: whole for every usual frame rate
_SHORTEST_S = 0.02  # players slow down GIFs whose images are shorter


class MovieWriter(Protocol):
    """A context manager that writes a movie; the file is complete at its end, and absent after an error."""

    def write(self, pixels: NDArray[np.uint8], at: float) -> None:
        """Adds a picture `(h, w, 3)`, shown from `at`, in seconds since the first, until the next; all have one size."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def movie_writer(path: Path, fps: float) -> MovieWriter:
    """A writer for the format that the suffix names.

    Args:
        path: of the file.
        fps: expected number of pictures a second.

    Raises:
        ConfigError: the suffix is neither .mp4 nor .gif, or PyAV is not installed.
    """
    if path.suffix.lower() == ".mp4":
        return Mp4Writer(path, fps)
    if path.suffix.lower() == ".gif":
        return GifWriter(path, 1 / fps)
    raise ConfigError(f"{path}: unknown format of a movie; expected .mp4 or .gif")


class Mp4Writer:
    """H.264 that browsers play; an odd last row or column of pixels is cut off.

    Raises:
        ConfigError: PyAV is not installed; from `write`: the pictures are smaller than 2 x 2 pixels.
    """

    def __init__(self, path: Path, fps: float) -> None:
        try:
            import av
        except ImportError:
            raise ConfigError("an MP4 needs PyAV: pip install av") from None
        self._av = av
        self._fps = fps
        self._path = path
        self._atomic = atomic_write(path)
        self._stream: Any = None
        self._tick = -1

    def write(self, pixels: NDArray[np.uint8], at: float) -> None:
        """Encodes a picture; see `MovieWriter`."""
        if self._stream is None:
            self._begin(*pixels.shape[:2])
        stream = self._stream
        even = np.ascontiguousarray(pixels[: stream.height, : stream.width])
        frame = self._av.VideoFrame.from_ndarray(even, format="rgb24")
        self._tick = max(self._tick + 1, round(at * _TICKS))
        frame.pts, frame.time_base = self._tick, Fraction(1, _TICKS)
        self._container.mux(stream.encode(frame))

    def _begin(self, height: int, width: int) -> None:
        if min(height, width) < 2:
            raise ConfigError(f"{self._path}: pictures of {height} x {width} pixels; a movie needs 2 x 2: use a larger scale")
        stream = self._container.add_stream("libx264", rate=Fraction(self._fps).limit_denominator(1000))
        # Players expect yuv420p, which halves the colour resolution: sides must be even.
        stream.width, stream.height, stream.pix_fmt = width - width % 2, height - height % 2, "yuv420p"
        stream.options = {"crf": "16"}
        stream.codec_context.time_base = Fraction(1, _TICKS)
        self._stream = stream

    def __enter__(self) -> Self:
        # An absolute name: FFmpeg takes what stands before a colon for a protocol.
        self._container = self._av.open(str(self._atomic.__enter__().absolute()), "w", format="mp4")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self._stream is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
        except BaseException as own:
            self._atomic.__exit__(type(own), own, own.__traceback__)
            raise
        self._atomic.__exit__(kind, error, trace)


class GifWriter:
    """Endless GIF, 256 colours a picture; of each picture only the changed rectangle is stored."""

    def __init__(self, path: Path, last: float) -> None:
        """
        Args:
            path: of the file.
            last: seconds for which the last picture is shown.
        """
        self._atomic = atomic_write(path)
        self._last = max(last, _SHORTEST_S)
        self._shown: NDArray[np.uint8] | None = None  # the last picture written
        self._pending: tuple[NDArray[np.uint8], float] | None = None  # written when the time of the next is known
        self._remainder = 0.0  # seconds lost so far by rounding delays to hundredths

    def write(self, pixels: NDArray[np.uint8], at: float) -> None:
        """Encodes the previous picture; see `MovieWriter`."""
        if self._pending is not None:
            before, since = self._pending
            if at - since < _SHORTEST_S - 1e-6 or np.array_equal(pixels, before):
                self._pending = (pixels, since)
                return
            self._encode(before, at - since)
        self._pending = (pixels, at)

    def _encode(self, pixels: NDArray[np.uint8], seconds: float) -> None:
        height, width = pixels.shape[:2]
        if self._shown is None:
            self._file.write(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little") + b"\x70\0\0")
            self._file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")  # loops for ever
        top, left, bottom, right = _changed(pixels, self._shown)
        part = Image.fromarray(np.ascontiguousarray(pixels[top:bottom, left:right]))
        part = part.quantize(256, dither=Image.Dither.NONE)
        hundredths = max(2, math.floor((seconds + self._remainder) * 100 + 0.5))
        self._remainder += seconds - hundredths / 100
        # Disposal 1: the picture stays, and the next one is drawn over it.
        pieces = GifImagePlugin.getdata(part, (left, top), duration=10 * hundredths, disposal=1, include_color_table=True)
        self._file.write(b"".join(pieces))
        self._shown = pixels

    def __enter__(self) -> Self:
        self._file: IO[bytes] = self._atomic.__enter__().open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            with self._file as file:
                if error is None and self._pending is not None:
                    self._encode(self._pending[0], self._last)
                    file.write(b";")
        except BaseException as own:
            self._atomic.__exit__(type(own), own, own.__traceback__)
            raise
        self._atomic.__exit__(kind, error, trace)


def _changed(pixels: NDArray[np.uint8], before: NDArray[np.uint8] | None) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of the pixels that differ; at least one pixel."""
    if before is None:
        return 0, 0, pixels.shape[0], pixels.shape[1]
    differs = (pixels != before).any(-1)
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
