"""Makes docs/gallery.png, the last picture of each shipped demo, run as shipped, and docs/gallery.md, all of them by family.

python docs/gallery.py        # both
python docs/gallery.py page   # docs/gallery.md alone, without running anything
"""

import sys
from pathlib import Path

from films import FILMS
from PIL import Image, ImageDraw

from aetheria.laws import laws_by_family
from aetheria.runs.config import load_config, shipped_configs
from aetheria.runs.run import build_motor, render_picture
from viewer.model.gallery import gallery_entries

PAGE = Path(__file__).parent / "gallery.md"
SIDE, GAP, COLUMNS = 288, 16, 3


def tile(name: str) -> Image.Image:
    """One demo: its picture, fitted to a square, over its title."""
    config = load_config(name)
    with build_motor(config, "cpu") as motor:
        motor.step(config.steps)
        picture = render_picture(config, motor)
    factor = SIDE / max(picture.size)
    # Whole factors keep cells crisp; others are averaged.
    kind = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    picture = picture.resize((round(picture.width * factor), round(picture.height * factor)), kind)
    framed = Image.new("RGB", (SIDE, SIDE + 28), "white")
    framed.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    ImageDraw.Draw(framed).text((2, SIDE + 8), name, fill="#333", font_size=13)
    return framed


def page() -> str:
    """The gallery page: by family a picture, the title, what to look for, and the command of each shipped config."""
    written = "The shipped simulations by family of their laws, written by `docs/gallery.py`; [laws.md](laws.md) has all laws."
    lines = ["# Gallery", "", written, ""]
    entries = gallery_entries()
    for family in laws_by_family():
        members = [entry for entry in entries if entry.family == family]
        lines += [f"## {family}", "", *film(family), "| | |", "|---|---|"] if members else []
        for entry in members:
            picture = f"![{entry.title}](../configs/thumbnails/{entry.name}.png)"
            story = entry.story.replace("|", "\\|")
            lines.append(f"| {picture} | **{entry.title}**<br>{story}<br>`aetheria view {entry.name}` |")
        lines += [""] if members else []
    return "\n".join(lines)


def film(family: str, folder: str = "films") -> list[str]:
    """The film of a family, with what it shows, as lines of Markdown; none for a family without one."""
    if family not in FILMS:
        return []
    shown = FILMS[family].config
    return [f"![{load_config(shown).title}]({folder}/{family.lower()}.webp)", "", f"Above: `aetheria view {shown}`.", ""]


def main() -> None:
    """Writes the page; runs every demo and tiles the pictures, unless the page alone is wanted."""
    PAGE.write_text(page(), "utf-8")
    if sys.argv[1:] == ["page"]:
        return
    tiles = [tile(name) for name in shipped_configs()]
    rows = -(-len(tiles) // COLUMNS)
    width, height = tiles[0].size
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    for i, one in enumerate(tiles):
        sheet.paste(one, (GAP + i % COLUMNS * (width + GAP), GAP + i // COLUMNS * (height + GAP)))
    sheet.save(Path(__file__).parent / "gallery.png", optimize=True)


if __name__ == "__main__":
    main()
