"""Hooks of MkDocs: add the pages that are made at each build, and lead links that leave docs/ to their copies in the site."""

from typing import Any

from mkdocs.structure.files import File
from site_pages import PAGES
from site_pages.folders import DOCS
from site_pages.links import Copies, page_links
from site_pages.performance import titles

NAV_TITLES = {f"results/{name}.md": {title: f"results/{name}.md"} for name, title in titles().items()}


def on_config(config: Any) -> Any:
    """Completes the navigation with the made pages, and the guides with pages that it does not name yet."""
    config.nav = [_expanded(entry) for entry in config.nav]
    listed = str(config.nav)
    guides = next(entry["Guides"] for entry in config.nav if "Guides" in entry)
    guides += sorted(path.name for path in DOCS.glob("*.md") if f"'{path.name}'" not in listed)
    return config


def on_files(files: Any, config: Any) -> Any:
    """Adds the made pages; one takes the place of a page of the same name in docs/."""
    for name, make in PAGES.items():
        written = files.get_file_from_path(name)
        if written is not None:
            files.remove(written)
        files.append(File.generated(config, name, content=make()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Leads links to files outside docs/ to their pages or copies."""
    copies: Copies = {}
    markdown = page_links(markdown, page.file.src_uri, copies)
    for name, source in copies.items():
        if files.get_file_from_path(name) is None:
            files.append(File.generated(config, name, abs_src_path=str(source)))
    return markdown


def _expanded(entry: Any) -> Any:
    """A navigation entry in which a name ending in / is replaced by all pages made below it."""
    if isinstance(entry, list):
        found: list[Any] = []
        for one in entry:
            found += [NAV_TITLES.get(name, name) for name in below(one)] if _is_folder(one) else [_expanded(one)]
        return found
    if isinstance(entry, dict):
        return {title: _expanded(inner) for title, inner in entry.items()}
    return entry


def below(folder: str) -> list[str]:
    """The made pages in a folder, the index first."""
    return sorted((name for name in PAGES if name.startswith(folder)), key=lambda name: (not name.endswith("/index.md"), name))


def _is_folder(entry: Any) -> bool:
    return isinstance(entry, str) and entry.endswith("/")
