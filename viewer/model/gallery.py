"""Entries of the gallery: the shipped configs with title, description and thumbnail. No Qt."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from aetheria.runs.config import shipped_configs


@dataclass(frozen=True)
class GalleryEntry:
    """A config in the gallery.

    Attributes:
        name: name of the config.
        title: title shown to the user.
        story: description, from the comment at the top of the config.
        thumbnail: path of a small image, if there is one.
    """

    name: str
    title: str
    story: str
    thumbnail: Path | None


def gallery_entries() -> list[GalleryEntry]:
    """The shipped configs, quickstart first; unreadable ones are left out."""
    found = [entry for name, path in shipped_configs().items() if (entry := _entry(name, path)) is not None]
    return sorted(found, key=lambda entry: entry.name != "quickstart")


def _entry(name: str, path: Path) -> GalleryEntry | None:
    try:
        text = path.read_text("utf-8")
        title = str(tomllib.loads(text).get("title") or name)
    except (OSError, ValueError):
        return None
    thumbnail = path.parent / "thumbnails" / f"{name}.png"
    return GalleryEntry(name, title, _story(text), thumbnail if thumbnail.is_file() else None)


def _story(text: str) -> str:
    """The comment at the top of a config, up to its first empty line."""
    lines: list[str] = []
    for line in text.splitlines():
        said = line.removeprefix("#").strip()
        if not line.startswith("#") or not said:
            break
        lines.append(said)
    story = " ".join(lines).removeprefix("What to look for:").strip()
    return story[:1].upper() + story[1:]
