"""Images as numbers: upright, with colours and transparency in 0..1."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aetheria.core.errors import AetheriaError, FileUnreadableError
from aetheria.files.untrusted import IMAGE_FORMATS, first_line, read_image

_DEEP = 65535  # white of 16-bit grey
_AT_ONCE = 1 << 20  # pixels whose greys are compared at a time


@dataclass(frozen=True)
class Picture:
    """A decoded image, of one to four bytes a pixel; any part of it becomes numbers, of which a pixel has sixteen bytes.

    Attributes:
        image: as Pillow has it, upright.
        where: names it for errors.
    """

    image: Image.Image
    where: str

    @property
    def size(self) -> tuple[int, int]:
        """Height and width. [pixels]"""
        return self.image.height, self.image.width

    def part(self, corner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.float32]:
        """The pixels `(h, w, 4)` of a part in 0..1: red, green, blue, alpha.

        Raises:
            FileUnreadableError: Pillow cannot convert its colours.
        """
        (top, left), (height, width) = corner, size
        try:
            return _rgba(self.image.crop((left, top, left + width, top + height)))
        except Exception as error:  # of Pillow, for a mode without conversion
            raise _unreadable(error, self.where) from error


def open_picture(path: Path, formats: tuple[str, ...] = IMAGE_FORMATS) -> Picture:
    """Decodes an image, turned as its EXIF orientation says.

    Args:
        formats: of Pillow, that are read.

    Raises:
        FileUnreadableError: it is another kind of file, or its greys have no known white. StateError: not enough memory.
    """
    image = read_image(path, formats)
    try:
        ImageOps.exif_transpose(image, in_place=True)
        _check_greys(image)
    except Exception as error:  # of Pillow, for a damaged orientation
        raise _unreadable(error, str(path)) from error
    return Picture(image, str(path))


def read_rgba(path: Path, formats: tuple[str, ...] = IMAGE_FORMATS) -> NDArray[np.float32]:
    """All pixels of an image `(h, w, 4)`, see `Picture.part`. Raises what `open_picture` does."""
    picture = open_picture(path, formats)
    return picture.part((0, 0), picture.size)


def _unreadable(error: Exception, where: str) -> Exception:
    if isinstance(error, AetheriaError):
        return error
    return FileUnreadableError(f"{where}: cannot be read as an image; {first_line(error)}")


def _is_grey(image: Image.Image) -> bool:
    """Whether pixels are 16-bit or real greys, which Pillow's own conversion clips at 255."""
    return image.mode.startswith(("I", "F"))


def _white(image: Image.Image) -> int:
    return 1 if image.mode.startswith("F") else _DEEP


def _check_greys(image: Image.Image) -> None:
    if not _is_grey(image):
        return
    low, high, rows = np.inf, -np.inf, max(1, _AT_ONCE // max(1, image.width))
    for top in range(0, image.height, rows):
        values = np.asarray(image.crop((0, top, image.width, min(image.height, top + rows))))
        low, high = np.minimum(low, values.min()), np.maximum(high, values.max())  # NaN is handed on
    if not 0 <= low <= high <= _white(image):
        raise ValueError(f"greys from {low:g} to {high:g}; expected 0 to {_white(image)}")


def _rgba(image: Image.Image) -> NDArray[np.float32]:
    if not _is_grey(image):
        if image.mode not in ("1", "L", "LA", "P", "PA", "RGBA"):
            image = image.convert("RGB")  # Pillow converts some modes to RGB only
        return np.asarray(np.asarray(image.convert("RGBA")) / 255, np.float32)
    values = np.asarray(image)
    grey = np.asarray(values / _white(image), np.float32)
    clear = image.info.get("transparency")
    alpha = np.ones_like(grey) if clear is None else np.asarray(values != clear, np.float32)
    return np.stack((grey, grey, grey, alpha), -1)
