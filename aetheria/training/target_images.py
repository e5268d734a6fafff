"""Target pictures to grow: from an image file, or an emoji drawn with a font of this machine."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from aetheria.core.errors import ConfigError
from aetheria.files.images import read_rgba
from aetheria.files.untrusted import IMAGE_FORMATS

_FONTS = ("NotoColorEmoji*.ttf", "Apple Color Emoji.ttc", "seguiemj.ttf", "TwitterColorEmoji*.ttf")
_FORMATS = (*IMAGE_FORMATS, "GIF", "WEBP")
_HEIGHTS = (109, 160, 128)  # of Noto's and Apple's bitmaps; outline fonts accept any


def read_picture(path: str | Path, size: int | None = None) -> Tensor:
    """An image as channels of cells `(4, h, w)` in 0..1: red, green, blue premultiplied by alpha, then alpha.

    Args:
        path: of a PNG, JPEG, BMP, TIFF, GIF or WebP; turned as its EXIF orientation says.
        size: cells of its longer side, to which it is scaled; None for its own.

    Raises:
        FileUnreadableError: not an image. ConfigError: `size` below 1. StateError: an image too large for memory.
    """
    _check(size)
    return _premultiplied(read_rgba(Path(path), _FORMATS), size)


def draw_emoji(text: str, size: int | None = None) -> Tensor:
    """An emoji, as channels like those of `read_picture`, cropped, from the first colour font that has it.

    Raises:
        ConfigError: no such font, or none that draws `text`; `size` below 1.
    """
    _check(size)
    fonts = list(_fonts())
    for path in fonts:
        for height in _HEIGHTS:
            try:
                font = ImageFont.truetype(path, height)
            except OSError:  # the font has bitmaps of another height
                continue
            image = Image.new("RGBA", (2 * height, 2 * height))
            ImageDraw.Draw(image).text((height // 4, height // 4), text, font=font, embedded_color=True)
            if box := image.getbbox():
                return _premultiplied(np.asarray(np.asarray(image.crop(box)) / 255, np.float32), size)
    problem = f"{', '.join(path.name for path in fonts)} cannot draw it" if fonts else "no font with emoji is installed here"
    raise ConfigError(
        f'[picture] emoji: "{text}" given, but {problem}; install one (Debian: fonts-noto-color-emoji), or give a PNG by `path`'
    )


def _check(size: int | None) -> None:
    if size is not None and size < 1:
        raise ConfigError(f"size: {size} given; expected 1 or more cells")


def _premultiplied(pixels: NDArray[np.float32], size: int | None) -> Tensor:
    rgba = torch.from_numpy(pixels).permute(2, 0, 1)
    # Premultiplied before scaling: the colour of a transparent pixel must not bleed into its neighbours.
    picture = torch.cat((rgba[:3] * rgba[3:], rgba[3:]))
    if size is None or size == max(picture.shape[1:]):
        return picture.contiguous()
    scale = size / max(picture.shape[1:])
    new = [max(1, round(side * scale)) for side in picture.shape[1:]]
    return F.interpolate(picture[None], new, mode="bilinear", antialias=True)[0].clamp(0, 1)


def _fonts() -> Iterator[Path]:
    """Colour emoji fonts in the font folders of this system."""
    home = Path.home()
    if sys.platform == "darwin":
        folders = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    elif sys.platform == "win32":
        folders = [Path(os.environ.get("WINDIR", r"C:\Windows")) / "Fonts"]
    else:
        folders = [
            home / ".local" / "share" / "fonts",
            home / ".fonts",
            Path("/usr/local/share/fonts"),
            Path("/usr/share/fonts"),
        ]
    for name in _FONTS:
        for folder in folders:
            yield from sorted(folder.rglob(name))
