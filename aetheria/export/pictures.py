"""Pictures and movies of a recorded field."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError, RecordingError, nearest
from aetheria.export.movies import GifWriter, MovieWriter, Mp4Writer
from aetheria.files.atomic import atomic_write
from aetheria.observe.colour_maps import colour_map, paint
from aetheria.recording import Recording

Levels = tuple[float, float]
_SAMPLED = 24  # frames from which levels are estimated


@dataclass(frozen=True)
class PictureStyle:
    """How a field is drawn.

    Attributes:
        colours: name of the colour map; None for the field's own.
        levels: values at the ends of the map; None to estimate them from the data.
        universe: of the batch.
        scale: size of a cell in pixels.
    """

    colours: str | None = None
    levels: Levels | None = None
    universe: int = 0
    scale: int = 1


def picture(values: NDArray[np.generic], name: str, colours: str, levels: Levels, scale: int = 1) -> Image.Image:
    """An image of one universe: of "rgb" `(3, h, w)` the colours themselves, of another field `(h, w)` those of a colour map.

    Args:
        values: of the field.
        name: of the field.
        colours: name of the colour map.
        levels: values at the ends of the map.
        scale: size of a cell in pixels.
    """
    if name == "rgb":
        share = (np.moveaxis(values, 0, -1).astype(np.float64) - levels[0]) / (levels[1] - levels[0])
        pixels = np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)
    else:
        pixels = paint(values, levels, colours)
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


class Movie:
    """One field of a recording as a sequence of images.

    Raises:
        ConfigError: no such field, frame, universe or colour map, or levels that do not rise.
        RecordingError: the recording holds no field at all.
    """

    def __init__(
        self,
        recording: Recording,
        field: str | None = None,
        style: PictureStyle | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        """
        Args:
            recording: an open recording.
            field: its name; None for the first one recorded, "rgb" before others.
            style: how to draw it.
            first, last: range of steps, ends included; None for the recording's.
        """
        if not recording.fields:
            raise RecordingError(f"{recording.path}: holds no field to show, only {', '.join(recording.observables)}")
        self.recording = recording
        self.field = field or ("rgb" if "rgb" in recording.fields else recording.fields[0])
        if self.field in recording.observables:
            raise ConfigError(f"--field {self.field}: is an observable; it has no picture")
        if self.field not in recording.fields:
            raise ConfigError(f"--field {self.field}: not recorded; {nearest(self.field, list(recording.fields))}")
        self._data = recording.dataset(self.field)
        style = style or PictureStyle()
        universes = int(recording.attributes["universes"])
        if not 0 <= style.universe < universes:
            raise ConfigError(f"universe: {style.universe} given; expected 0 to {universes - 1}")
        steps = recording.steps
        wanted = (steps >= (steps.min(initial=0) if first is None else first)) & (
            steps <= (steps.max(initial=0) if last is None else last)
        )
        self.indices = np.flatnonzero(wanted)
        if not len(self.indices):
            ends = f"steps {steps[0]} to {steps[-1]}" if len(steps) else "no frames"
            raise ConfigError(f"{recording.path}: no frame between steps {first} and {last}; it has {ends}")
        self.universe, self.scale = style.universe, style.scale
        self.colours = style.colours or str(self._data.attrs["colour_map"])
        colour_map(self.colours)
        self.levels = check_levels("--levels", style.levels) if style.levels else self._levels()

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Image.Image:
        return picture(self._values(self.indices[position]), self.field, self.colours, self._pixel_levels(), self.scale)

    def __iter__(self) -> Iterator[Image.Image]:
        return (self[position] for position in range(len(self)))

    def step(self, position: int) -> int:
        """The step of image `position`."""
        return int(self.recording.steps[self.indices[position]])

    def _values(self, index: int) -> NDArray[np.generic]:
        return self.recording[int(index)][self.field][self.universe]

    def _levels(self) -> Levels:
        attributes = self._data.attrs
        if "scale_factor" in attributes:
            return float(attributes["add_offset"]), float(attributes["add_offset"] + 255 * attributes["scale_factor"])
        low, high = attributes.get("valid_min"), attributes.get("valid_max")
        sampled = self.indices[:: -(-len(self.indices) // _SAMPLED)]
        return find_levels([self._values(index) for index in sampled], low, high)

    def _pixel_levels(self) -> Levels:
        """The levels in the units of the stored values."""
        factor = float(self._data.attrs.get("scale_factor", 1.0))
        offset = float(self._data.attrs.get("add_offset", 0.0))
        return (self.levels[0] - offset) / factor, (self.levels[1] - offset) / factor


def save_png(movie: Movie, path: Path, position: int = -1) -> None:
    """Writes one image of a movie, by default the last."""
    with atomic_write(path) as beside:
        movie[range(len(movie))[position]].save(beside, "PNG")


def save_gif(movie: Movie, path: Path, fps: float, progress: Callable[[int], object] = lambda _: None) -> None:
    """Writes a movie as an endless GIF, 256 colours an image.

    Args:
        movie: to write.
        path: of the file.
        fps: images a second.
        progress: is called with the number of images done, and may raise to stop.
    """
    _save(movie, GifWriter(path, 1 / fps), fps, progress)


def save_mp4(movie: Movie, path: Path, fps: float, progress: Callable[[int], object] = lambda _: None) -> None:
    """Writes a movie as H.264, which browsers play; arguments as for `save_gif`.

    Raises:
        ConfigError: PyAV is not installed, or the pictures are smaller than 2 x 2 pixels.
    """
    _save(movie, Mp4Writer(path, fps), fps, progress)


def _save(movie: Movie, writer: MovieWriter, fps: float, progress: Callable[[int], object]) -> None:
    with writer:
        for position, image in enumerate(movie):
            writer.write(np.asarray(image), position / fps)
            progress(position + 1)
