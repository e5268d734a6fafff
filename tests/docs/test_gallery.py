"""The gallery page holds every shipped config, under the family of its law."""

import gallery
import numpy as np
from PIL import Image

from aetheria.laws import laws_by_family
from aetheria.runs.config import shipped_configs
from tests.paths import ROOT


def test_the_gallery_page_is_what_the_script_writes() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    assert text == gallery.page()  # if not: python docs/gallery.py
    assert all(f"`aetheria view {name}`" in text for name in shipped_configs())
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == list(laws_by_family())


def test_the_sheet_is_made_of_the_thumbnails() -> None:
    with Image.open(ROOT / "docs" / "gallery.png") as shown:
        differs = np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(gallery.sheet(), int))
    assert differs.mean() < 8, "128 colours, but of the same pictures; if not: python docs/gallery.py"
