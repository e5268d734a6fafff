"""Makes configs/thumbnails: a small picture of each shipped config, for the viewer's gallery.

python docs/thumbnails.py [NAME ...]
"""

import sys
from pathlib import Path

from PIL import Image

from aetheria.runs.config import load_config, shipped_configs
from aetheria.runs.run import build_motor, render_picture

SIZE = (256, 192)
FOLDER = Path(__file__).parent.parent / "configs" / "thumbnails"
# What shows best, where that is not the whole grid at the last step: the step, and (top, left, height, width) in cells.
CHOICES = {
    "butterfly": (500, (12, 0, 72, 96)),
    "gosper_gun": (600, (8, 12, 66, 88)),
    "orbium": (20, (59, 46, 36, 48)),
    "quickstart": (400, (12, 0, 72, 96)),
    "r_pentomino": (400, (272, 256, 96, 128)),
}


def thumbnail(name: str) -> Image.Image:
    """The config's picture at a good step, filling `SIZE`."""
    config = load_config(name)
    height, width = config.grid.sides
    step, (top, left, h, w) = CHOICES.get(name, (config.steps, (0, 0, height, width)))
    config = config.model_copy(update={"picture": config.picture.model_copy(update={"scale": 1})})
    with build_motor(config, "cpu") as motor:
        motor.step(step)
        picture = render_picture(config, motor).crop((left, top, left + w, top + h))
    factor = max(SIZE[0] / w, SIZE[1] / h)
    # Enlarged cells stay crisp; smaller ones are averaged.
    kind = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    picture = picture.resize((round(w * factor), round(h * factor)), kind)
    x, y = (picture.width - SIZE[0]) // 2, (picture.height - SIZE[1]) // 2
    return picture.crop((x, y, x + SIZE[0], y + SIZE[1]))


def main(names: list[str]) -> None:
    """Writes the thumbnails of these configs; of all when there are none."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or shipped_configs():
        thumbnail(name).quantize(64, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
