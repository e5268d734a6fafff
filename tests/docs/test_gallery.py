"""The gallery page holds every shipped config, under the family of its law."""

import importlib.util

from aetheria.laws import laws_by_family
from aetheria.runs.config import shipped_configs
from tests.paths import ROOT


def test_the_gallery_page_is_what_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    text = (ROOT / "docs" / "gallery.md").read_text("utf-8")
    assert text == gallery.page()  # if not: python docs/gallery.py page
    assert all(f"`aetheria view {name}`" in text for name in shipped_configs())
    headings = [line.removeprefix("## ") for line in text.splitlines() if line.startswith("## ")]
    assert headings == list(laws_by_family())
