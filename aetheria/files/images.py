"""Images as numbers: upright, with colours and transparency in 0..1."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from aetheria.core.errors import AetheriaError, FileUnreadableError
from aetheria.files.untrusted import IMAGE_FORMATS, first_line, read_image

_DEEP = 65535  # white of 16-bit grey


def read_rgba(path: Path, formats: tuple[str, ...] = IMAGE_FORMATS) -> NDArray[np.float32]:
    """The pixels of an image `(h, w, 4)` in 0..1: red, green, blue, alpha; turned as its EXIF orientation says.

    Args:
        formats: of Pillow, that are read.

    Raises:
        FileUnreadableError: it is another kind of file, or its greys have no known white. StateError: not enough memory.
    """
    image = read_image(path, formats)
    try:
        return _rgba(ImageOps.exif_transpose(image))
    except Exception as error:  # of Pillow, for a damaged orientation or a mode without conversion
        if isinstance(error, AetheriaError):
            raise
        raise FileUnreadableError(f"{path}: cannot be read as an image; {first_line(error)}") from error


def _rgba(image: Image.Image) -> NDArray[np.float32]:
    if not image.mode.startswith(("I", "F")):
        if image.mode not in ("1", "L", "LA", "P", "PA", "RGBA"):
            image = image.convert("RGB")  # Pillow converts some modes to RGB only
        return np.asarray(np.asarray(image.convert("RGBA")) / 255, np.float32)
    # 16-bit or real grey, which Pillow's own conversion clips at 255.
    values = np.asarray(image)
    white = 1 if image.mode.startswith("F") else _DEEP
    if not values.size or not 0 <= values.min() <= values.max() <= white:
        raise ValueError(f"greys from {values.min():g} to {values.max():g}; expected 0 to {white}")
    grey = np.asarray(values / white, np.float32)
    clear = image.info.get("transparency")
    alpha = np.ones_like(grey) if clear is None else np.asarray(values != clear, np.float32)
    return np.stack((grey, grey, grey, alpha), -1)
