"""Target pictures: from files, and drawn with an emoji font."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import newTable
from fontTools.ttLib.tables.sbixGlyph import Glyph
from fontTools.ttLib.tables.sbixStrike import Strike
from PIL import Image

from aetheria.core.errors import ConfigError, FileUnreadableError
from aetheria.training import target_images
from aetheria.training.target_images import draw_emoji, read_picture
from aetheria.training.train_config import load_training

MUSHROOM = "\N{MUSHROOM}"


def test_a_picture_is_read_premultiplied(tmp_path: Path) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[0, 0] = (255, 102, 0, 255)
    pixels[1, 2] = (200, 100, 50, 51)  # alpha a fifth
    pixels[0, 1] = (255, 255, 255, 0)  # clear: white by name alone
    Image.fromarray(pixels).save(tmp_path / "p.png")
    picture = read_picture(tmp_path / "p.png")
    assert picture.shape == (4, 2, 3)
    np.testing.assert_allclose(picture[:, 0, 0], [1, 0.4, 0, 1], atol=1e-6)
    np.testing.assert_allclose(picture[:, 1, 2], [200 / 255 / 5, 100 / 255 / 5, 50 / 255 / 5, 0.2], atol=1e-6)
    assert (picture[:, 0, 1] == 0).all()


def test_scaling_keeps_the_amount_of_colour_and_the_shape(tmp_path: Path) -> None:
    pixels = np.zeros((32, 16, 4), np.uint8)
    pixels[8:24, 4:12] = (255, 0, 0, 255)
    pixels[:, 12:] = (0, 255, 0, 0)  # clear green, which must not show
    Image.fromarray(pixels).save(tmp_path / "p.png")
    picture = read_picture(tmp_path / "p.png", 8)
    assert picture.shape == (4, 8, 4)
    assert float(picture[0].mean()) == pytest.approx(0.25, abs=0.01)
    assert float(picture[1].max()) == 0
    assert torch.equal(read_picture(tmp_path / "p.png", 32), read_picture(tmp_path / "p.png"))


def test_a_picture_stands_upright_and_deep_grey_is_not_white(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4), "red").save(tmp_path / "p.webp", exif=exif, lossless=True)
    assert read_picture(tmp_path / "p.webp").shape == (4, 6, 4)
    Image.fromarray(np.full((2, 2), 6554, np.uint16)).save(tmp_path / "deep.png")
    np.testing.assert_allclose(read_picture(tmp_path / "deep.png")[:3], 0.1, atol=1e-4)


def test_other_files_than_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("torn.png", "missing.png", "pipe.png"):
        with pytest.raises(FileUnreadableError, match=name):
            read_picture(tmp_path / name)
    with pytest.raises(ConfigError, match="size: 0"):
        read_picture(tmp_path / "torn.png", 0)


def emoji_font(path: Path, height: int) -> None:
    """A font of one emoji: a bitmap `height` pixels high, red above, blue below, clear to the right of that."""
    pixels = np.zeros((height, height, 4), np.uint8)
    pixels[: height // 2, : height // 2] = (255, 0, 0, 255)
    pixels[height // 2 :, : height // 2] = (0, 0, 255, 255)
    Image.fromarray(pixels).save(png := io.BytesIO(), "png")
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder([".notdef", "mushroom"])
    font.setupCharacterMap({ord(MUSHROOM): "mushroom"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "mushroom": TTGlyphPen(None).glyph()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "mushroom": (1000, 0)})
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupOS2()
    font.setupPost()
    strike = Strike(ppem=height, resolution=72)
    strike.glyphs["mushroom"] = Glyph(glyphName="mushroom", graphicType="png ", imageData=png.getvalue())
    font.font["sbix"] = table = newTable("sbix")
    table.strikes[height] = strike
    font.save(path)


@pytest.mark.parametrize("height", [109, 160])
def test_an_emoji_is_the_cropped_glyph_of_the_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, height: int) -> None:
    emoji_font(tmp_path / "font.ttf", height)
    monkeypatch.setattr(target_images, "_fonts", lambda: iter([tmp_path / "font.ttf"]))
    drawn = draw_emoji(MUSHROOM)
    assert drawn.shape[1] in (height, height - 1)
    assert drawn.shape[2] == height // 2
    assert (drawn[3] == 1).all()
    assert drawn[:3, 0, 0].tolist() == [1, 0, 0]
    assert drawn[:3, -1, -1].tolist() == [0, 0, 1]
    assert draw_emoji(MUSHROOM, 12).shape == (4, 12, 6)
    with pytest.raises(ConfigError, match="cannot draw it"):
        draw_emoji("\N{LIZARD}")


def test_without_an_emoji_font_the_error_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_images, "_FONTS", ())
    with pytest.raises(ConfigError, match="no font with emoji is installed here; install one"):
        draw_emoji(MUSHROOM)


@pytest.mark.parametrize("picture", ['path = "a.png"\nemoji = "x"', ""])
def test_a_picture_is_a_file_or_an_emoji(tmp_path: Path, picture: str) -> None:
    (tmp_path / "c.toml").write_text(f'[law]\nname = "GrowingNCA"\n[picture]\n{picture}\ngrid = [8, 8]\n[train]\nsteps = 1\n')
    with pytest.raises(ConfigError, match="expected a path, or an emoji, and not both"):
        load_training(tmp_path / "c.toml")
