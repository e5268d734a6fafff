"""Makes docs/gallery.png: the last picture of each shipped demo, run as shipped.

python docs/gallery.py
"""

from pathlib import Path

from PIL import Image, ImageDraw

from aetheria.runs.config import load_config, shipped_configs
from aetheria.runs.run import build_motor, render_picture

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


def main() -> None:
    """Runs every demo and tiles the pictures."""
    tiles = [tile(name) for name in shipped_configs()]
    rows = -(-len(tiles) // COLUMNS)
    width, height = tiles[0].size
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    for i, one in enumerate(tiles):
        sheet.paste(one, (GAP + i % COLUMNS * (width + GAP), GAP + i // COLUMNS * (height + GAP)))
    sheet.save(Path(__file__).parent / "gallery.png", optimize=True)


if __name__ == "__main__":
    main()
