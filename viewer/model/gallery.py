"""Entries of the gallery: the shipped configs with title, description and thumbnail. No Qt."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.laws import family_of, find_law, laws_by_family
from aetheria.runs.config import shipped_configs


@dataclass(frozen=True)
class GalleryEntry:
    """A config in the gallery.

    Attributes:
        name: name of the config.
        title: title shown to the user.
        family: heading of its law in lists.
        story: description, from the comment at the top of the config.
        thumbnail: path of a small image, if there is one.
    """

    name: str
    title: str
    family: str
    story: str
    thumbnail: Path | None


def gallery_entries() -> list[GalleryEntry]:
    """The shipped configs, quickstart first, then by family; unreadable ones are left out."""
    found = [entry for name, path in shipped_configs().items() if (entry := _entry(name, path)) is not None]
    order = list(laws_by_family())
    return sorted(found, key=lambda entry: (entry.name != "quickstart", order.index(entry.family)))


def _entry(name: str, path: Path) -> GalleryEntry | None:
    try:
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
        family = family_of(find_law(values["law"]["name"]))
        title = str(values.get("title") or name)
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None
    thumbnail = path.parent / "thumbnails" / f"{name}.png"
    return GalleryEntry(name, title, family, _story(text), thumbnail if thumbnail.is_file() else None)


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
