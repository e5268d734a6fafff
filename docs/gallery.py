"""Makes docs/gallery.md, all shipped configs by family, and docs/gallery.png, the thumbnails of some.

python docs/gallery.py
"""

from pathlib import Path

from films import FILMS
from PIL import Image, ImageDraw
from thumbnails import FOLDER as THUMBNAILS
from thumbnails import SIZE

from aetheria.laws import laws_by_family
from aetheria.runs.config import load_config
from viewer.model.gallery import gallery_entries

PAGE = Path(__file__).parent / "gallery.md"
SHOWN = (
    *("quickstart", "orbium", "gosper_gun", "deep_qca"),
    *("epidemic", "gray_scott", "cyclic", "unet"),
    *("flow_lenia", "butterfly", "kuramoto", "quantum_walk_2d"),
)
COLUMNS, GAP, LINE = 4, 12, 34


def sheet() -> Image.Image:
    """The thumbnails of `SHOWN` side by side, with their names."""
    made = Image.new("RGB", (COLUMNS * (SIZE[0] + GAP) + GAP, -(-len(SHOWN) // COLUMNS) * (SIZE[1] + LINE) + GAP), "white")
    pen = ImageDraw.Draw(made)
    for i, name in enumerate(SHOWN):
        left, top = GAP + i % COLUMNS * (SIZE[0] + GAP), GAP + i // COLUMNS * (SIZE[1] + LINE)
        with Image.open(THUMBNAILS / f"{name}.png") as one:
            made.paste(one.convert("RGB"), (left, top))
        pen.text((left + 2, top + SIZE[1] + 4), name, fill="#333", font_size=13)
    return made


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
    """Writes the page and the sheet."""
    PAGE.write_text(page(), "utf-8")
    sheet().quantize(128, dither=Image.Dither.NONE).save(PAGE.with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
