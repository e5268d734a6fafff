"""The site: builds without a warning, from the packages alone, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from site_pages import PAGES
from site_pages.commands import commands
from site_pages.python_api import public_names

from aetheria.runs.config import shipped_configs
from tests.paths import ROOT

MISSING = [name for name in ("mkdocs", "material", "mkdocstrings") if find_spec(name) is None]
_LOADED = re.compile(r"""<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*\shref="([^"]+)"[^>]*>""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    if MISSING:
        pytest.skip(f"not installed: {', '.join(MISSING)} (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    # The variable silences an announcement of the theme's authors; a proxy that no one answers stands for no network.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr[-3000:]
    return folder


def test_every_page_and_every_made_page_is_in_the_site(site: Path) -> None:
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")} | set(PAGES)
    assert {page for page in pages if not (site / page).with_suffix(".html").is_file()} == set()


def test_the_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = {
        (str(page.relative_to(site)), script or linked)
        for page in site.rglob("*.html")
        for script, linked in _LOADED.findall(page.read_text("utf-8"))
    }
    assert len(loaded) > 500
    assert {(page, address) for page, address in loaded if re.match(r"\w+:|//", address)} == set()
    for style in site.rglob("*.css"):
        addresses = re.findall(r"""url\(["']?([^)"']+)|@import\s+["']([^"']+)""", style.read_text("utf-8"))
        assert [one for one in addresses if re.match(r"https?:|//", one[0] or one[1])] == [], style


def test_the_pages_name_every_command_public_name_and_config(site: Path) -> None:
    def page(name: str) -> str:
        return (site / name).read_text("utf-8")

    assert [name for name in commands() if f'id="{name}"' not in page("reference/commands.html")] == []
    assert [name for name in shipped_configs() if f'id="{name}"' not in page("gallery.html")] == []
    for room, names in public_names().items():
        text = page(f"reference/python/{room}.html")
        assert [path for path in names.values() if f'id="{path}"' not in text] == []


def test_the_search_index_is_part_of_the_site(site: Path) -> None:
    index = next(site.glob("search/search_index.js*")).read_text("utf-8")
    assert "Gosper" in index
    assert "planned_steps" in index
