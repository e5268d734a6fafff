"""Images: damage is noticed, and claims are compared with the file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aetheria.core.errors import ConfigError, FileUnreadableError
from aetheria.files.untrusted import read_image, read_toml
from aetheria.training.target_images import read_picture


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)).save(tmp_path / "x.png")
    return tmp_path / "x.png"


def test_a_flipped_bit_of_the_pixels_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileUnreadableError, match="its part 'IDAT' is damaged"):
        read_image(path)


def test_a_png_without_its_end_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(FileUnreadableError, match="its end is missing"):
        read_image(path)


def test_more_pixels_than_the_file_can_hold_are_refused(path: Path) -> None:
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 9000, 9000) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IEND\xaeB`\x82")
    with pytest.raises(FileUnreadableError, match="claims 9000 x 9000 pixels in"):
        read_image(path)


def test_pictures_to_grow_are_checked_likewise(path: Path, tmp_path: Path) -> None:
    assert read_picture(path).shape == (4, 60, 80)
    Image.new("RGB", (4, 4)).save(tmp_path / "x.ppm")
    with pytest.raises(FileUnreadableError, match="cannot be read as an image"):
        read_picture(tmp_path / "x.ppm")


def test_a_long_toml_is_refused() -> None:
    with pytest.raises(ConfigError, match="characters; expected 262,144 at most"):
        read_toml("a = 1\n" * 50_000, "x.toml")
