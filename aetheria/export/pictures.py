"""Pictures and movies of a recorded field."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.core.memory_limits import check_room
from aetheria.export.field_frames import FieldFrames
from aetheria.export.movies import GifWriter, MovieWriter, Mp4Writer
from aetheria.files.atomic import atomic_write
from aetheria.observe.colour_maps import colour_map, paint
from aetheria.observe.request import Cut
from aetheria.recording import Recording

Levels = tuple[float, float]
_PIXEL_BYTES = 24  # of memory for each pixel of a space-time picture, at the most
_SAMPLED = 24  # frames from which levels are estimated


@dataclass(frozen=True)
class PictureStyle:
    """How a field is drawn.

    Attributes:
        colours: name of the colour map; None for the field's own.
        levels: values at the ends of the map; None to estimate them from the data.
        universe: of the batch.
        scale: size of a cell in pixels.
        log: colours are by the logarithm of the values; levels are above 0. gamma: see `aetheria.observe.colour_maps`.
        slice: axes to cut away, by name: at the index of a cell, or by the "mean" or "max" along the axis; 3-D fields need it.
    """

    colours: str | None = None
    levels: Levels | None = None
    universe: int = 0
    scale: int = 1
    slice: Mapping[str, Cut] = dataclass_field(default_factory=dict)
    log: bool = False
    gamma: float = 1.0


def picture(
    values: NDArray[np.generic],
    name: str,
    colours: str,
    levels: Levels,
    scale: int = 1,
    *,
    log: bool = False,
    gamma: float = 1.0,
) -> Image.Image:
    """An image of one universe: of "rgb" `(3, h, w)` the colours themselves, of another field `(h, w)` those of a colour map.

    Args:
        values: of the field.
        name: of the field.
        colours: name of the colour map.
        levels: values at the ends of the map.
        scale: size of a cell in pixels.
        log, gamma: see `aetheria.observe.colour_maps.paint`.
    """
    if name == "rgb":
        share = (np.moveaxis(values, 0, -1).astype(np.float64) - levels[0]) / (levels[1] - levels[0])
        pixels = np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
    else:
        pixels = paint(values, levels, colours, log=log, gamma=gamma)
    return Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))


def check_levels(where: str, levels: Sequence[float]) -> Levels:
    """(low, high) from two finite, rising numbers. Raises ConfigError for anything else."""
    if len(levels) != 2 or not all(map(math.isfinite, levels)) or levels[0] >= levels[1]:
        raise ConfigError(f"{where}: {list(levels)} given; expected [low, high], finite and low < high")
    return levels[0], levels[1]


def find_levels(samples: Sequence[NDArray[Any]], low: float | None, high: float | None) -> Levels:
    """Levels for values from `low` to `high`; a bound that is None is estimated by the 0.1 or 99.9 percentile."""
    if low is not None and high is not None:
        return low, high
    values = np.concatenate([np.asarray(sample, np.float64).ravel() for sample in samples])
    found = np.percentile(values, [0.1, 99.9])
    bottom = float(found[0]) if low is None else low
    top = float(found[1]) if high is None else high
    if low is None and bottom < 0 < top:
        bottom, top = -max(-bottom, top), max(-bottom, top)
    return (bottom, top) if bottom < top else (bottom, bottom + 1.0)


def positive_levels(samples: Sequence[NDArray[Any]]) -> Levels:
    """Levels for colours by the logarithm: by the values above 0."""
    values = np.concatenate([np.asarray(sample, np.float64).ravel() for sample in samples])
    positive = values[values > 0]
    return find_levels([positive], None, None) if positive.size else (0.1, 1.0)


class Images(Protocol):
    """A sequence of images of one size, as a `Movie` is."""

    field: str

    @property
    def space_time(self) -> bool:
        """Whether each image is one row of pixels, so that they are no movie."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Image.Image]: ...


class Movie:
    """One field of a recording as a sequence of images.

    A field with a single axis is drawn as one space-time picture instead; see `space_time_picture`.
    """

    def __init__(
        self,
        recording: Recording,
        field: str | None = None,
        style: PictureStyle | None = None,
        first: int | None = None,
        last: int | None = None,
        every: int = 1,
    ) -> None:
        """
        Args:
            recording: an open recording.
            field: its name; None for the first one recorded, "rgb" before others.
            style: how to draw it.
            first, last: range of steps, ends included; None for the recording's.
            every: 1 for all of these frames, n for each n-th of them.

        Raises:
            ConfigError: no such field, frame, universe, slice or colour map; falling levels; a 3-D field without a slice.
            RecordingError: the recording holds no field.
        """
        style = style or PictureStyle()
        self._frames = frames = FieldFrames(recording, field, style.universe, style.slice, first, last, every)
        self.field, self._scale = frames.field, style.scale
        self._colours = style.colours or str(frames.attributes["colour_map"])
        colour_map(self._colours)
        self._log, self._gamma = style.log, style.gamma
        self._levels = check_levels("--levels", style.levels) if style.levels else self._estimated_levels()
        if self._log and self._levels[0] <= 0:
            raise ConfigError(f"--levels: {list(self._levels)} given; expected numbers above 0, for --log")

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, position: int) -> Image.Image:
        values = self._frames.values(position)
        return self._draw(values[..., None, :] if self.space_time else values)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[position] for position in range(len(self)))

    def step(self, position: int) -> int:
        """The step of image `position`."""
        return int(self._frames.recording.steps[self._frames.indices[position]])

    @property
    def space_time(self) -> bool:
        """Whether the field has a single axis, so that each image is one row of pixels."""
        return len(self._frames.axes) == 1

    def space_time_picture(self) -> Image.Image:
        """All images of a field with a single axis below each other, time downwards.

        Raises:
            StateError: not enough memory.
        """
        width = len(self._frames.recording.axis(self._frames.axes[0]))
        nbytes = _PIXEL_BYTES * len(self) * width * self._scale**2
        check_room(
            nbytes,
            f"a picture of {len(self):,} frames",
            "draw fewer (--from, --to), or each n-th (--every), or use a smaller --scale",
        )
        return self._draw(np.stack([self._frames.values(position) for position in range(len(self))], -2))

    def _draw(self, values: NDArray[np.generic]) -> Image.Image:
        factor, offset = self._frames.packing()
        if self._log:
            values, factor, offset = values.astype(np.float64) * factor + offset, 1.0, 0.0
        stored_levels = (self._levels[0] - offset) / factor, (self._levels[1] - offset) / factor
        return picture(values, self.field, self._colours, stored_levels, self._scale, log=self._log, gamma=self._gamma)

    def _estimated_levels(self) -> Levels:
        attributes = self._frames.attributes
        if self._log:
            factor, offset = self._frames.packing()
            return positive_levels([sample.astype(np.float64) * factor + offset for sample in self._sampled()])
        if "scale_factor" in attributes:
            return float(attributes["add_offset"]), float(attributes["add_offset"] + 255 * attributes["scale_factor"])
        return find_levels(self._sampled(), attributes.get("valid_min"), attributes.get("valid_max"))

    def _sampled(self) -> list[NDArray[np.generic]]:
        return [self._frames.values(position) for position in range(0, len(self), -(-len(self) // _SAMPLED))]


def save_png(movie: Movie, path: Path, position: int = -1) -> None:
    """Writes one image of a movie, by default the last; of a field with a single axis its space-time picture.

    Raises:
        StateError: not enough memory for a space-time picture.
    """
    image = movie.space_time_picture() if movie.space_time else movie[range(len(movie))[position]]
    with atomic_write(path) as temporary:
        image.save(temporary, "PNG")


def save_gif(movie: Images, path: Path, fps: float, progress: Callable[[int], object] = lambda _: None) -> None:
    """Writes a movie as an endless GIF, 256 colours an image.

    Args:
        movie: to write.
        path: of the file.
        fps: images a second.
        progress: is called with the number of images done, and may raise to stop.

    Raises:
        ConfigError: the field has a single axis.
    """
    _save(movie, GifWriter(path, 1 / fps), fps, progress)


def save_mp4(movie: Images, path: Path, fps: float, progress: Callable[[int], object] = lambda _: None) -> None:
    """Writes a movie as H.264, which browsers play; arguments as for `save_gif`.

    Raises:
        ConfigError: PyAV is not installed, the pictures are smaller than 2 x 2 pixels, or the field has a single axis.
    """
    _save(movie, Mp4Writer(path, fps), fps, progress)


def _save(movie: Images, writer: MovieWriter, fps: float, progress: Callable[[int], object]) -> None:
    if movie.space_time:
        raise ConfigError(f"{movie.field}: has a single axis, and so no movie; expected --png, a picture with time downwards")
    with writer:
        for position, image in enumerate(movie):
            writer.write(np.asarray(image), position / fps)
            progress(position + 1)
