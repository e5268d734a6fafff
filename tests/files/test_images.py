"""Images as numbers: modes, depths, orientation and transparency, against the pixels they were made of."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import FileUnreadableError
from aetheria.files.images import read_rgba

GREY = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
COLOUR = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
# By EXIF orientation: how the stored pixels were turned from the upright ones.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def grey_of(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The red channel of a grey image that hides nothing."""
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    assert (pixels[..., 3] == 1).all()
    return pixels[..., 0]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_an_image_stands_upright_whatever_its_orientation(orientation: int, suffix: str, tmp_path: Path) -> None:
    upright = np.kron(GREY, np.ones((8, 8), np.uint8))  # blocks of a JPEG
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(TURNS[orientation](upright))
    Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
    np.testing.assert_allclose(grey_of(read_rgba(tmp_path / f"a.{suffix}")), upright / 255, atol=0.02)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *((mode, "png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "tif") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK", "YCbCr", "LAB")),
        *((mode, "bmp") for mode in ("1", "L", "P", "RGB", "RGBA")),
        *((mode, "jpg") for mode in ("L", "RGB", "CMYK", "YCbCr")),
    ],
)
def test_every_mode_is_read(mode: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    match mode:
        case "I;16":
            image = Image.fromarray(GREY.astype(np.uint16) * 257)
        case "I":
            image = Image.fromarray(GREY.astype(np.int32) * 257)
        case "F":
            image = Image.fromarray(np.asarray(GREY / 255, np.float32))
        case _:
            image = Image.fromarray(GREY).convert("RGB").convert(mode) if mode != "LAB" else Image.new("LAB", (6, 4))
    image.save(path)
    pixels = read_rgba(path)
    assert pixels.shape == (4, 6, 4)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    if mode in ("L", "LA", "RGB", "RGBA", "I;16", "I", "F") and suffix != "jpg":
        np.testing.assert_allclose(grey_of(pixels), GREY / 255, atol=1e-6)


def test_deep_grey_keeps_its_depth_and_its_clear_value(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 300], [40000, 65535, 7]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    np.testing.assert_allclose(grey_of(read_rgba(tmp_path / "a.png")), deep / 65535, rtol=1e-6)
    Image.fromarray(deep).save(tmp_path / "b.png", transparency=40000)
    pixels = read_rgba(tmp_path / "b.png")
    np.testing.assert_allclose(pixels[..., 0], deep / 65535, rtol=1e-6)
    assert pixels[..., 3].tolist() == [[1, 1, 1], [0, 1, 1]]


def test_a_clear_grey_and_a_clear_colour_of_a_palette_are_clear(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png", transparency=100)
    assert np.array_equal(read_rgba(tmp_path / "a.png")[..., 3] == 0, GREY == 100)
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(tmp_path / "b.png", transparency=0)
    assert read_rgba(tmp_path / "b.png")[0, :, 3].tolist() == [0, 1]


@pytest.mark.parametrize(
    "values", [np.array([[-1, 2]], np.int32), np.array([[0, 70000]], np.int32), np.array([[0.5, 3]], np.float32)]
)
def test_greys_without_a_known_white_are_refused(values: NDArray[np.generic], tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(FileUnreadableError, match=r"a\.tif: cannot be read as an image; greys from .*; expected 0 to"):
        read_rgba(tmp_path / "a.tif")


def test_other_files_are_refused_by_one_line_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.gif")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name in ("a.gif", "torn.png", "pipe.png", "folder.png", "none.png"):
        with pytest.raises(FileUnreadableError, match="PNG, JPEG, BMP, TIFF") as caught:
            read_rgba(tmp_path / name)
        assert "\n" not in str(caught.value)
