"""Makes configs/thumbnails: a small picture of each shipped config, for the viewer's gallery.

python docs/thumbnails.py [NAME ...]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from aetheria.export.pictures import check_levels, find_levels, picture
from aetheria.runs.config import RunConfig, load_config, shipped_configs
from aetheria.runs.last_picture import render_picture
from aetheria.runs.run import build_motor

SIZE = (256, 192)
FOLDER = Path(__file__).parent.parent / "configs" / "thumbnails"
# Where the whole grid at the last step does not show the config best: the step, and (top, left, height, width) in cells.
CHOICES: dict[str, tuple[int, tuple[int, int, int, int] | None]] = {
    "aquarium": (600, (18, 60, 48, 64)),
    "bosco": (40, (0, 0, 144, 192)),
    "butterfly": (500, (12, 0, 72, 96)),
    "epidemic": (130, None),
    "coupled_maps": (1000, None),
    "gosper_gun": (600, (8, 12, 66, 88)),
    "gray_scott": (3500, None),
    "heat": (60, None),
    "lenia_1d": (768, (144, 60, 240, 320)),
    "orbium": (20, (59, 46, 36, 48)),
    "quickstart": (400, (12, 0, 72, 96)),
    "r_pentomino": (400, (272, 256, 96, 128)),
    "restoration": (20, None),
    "rule_110": (384, (150, 128, 192, 256)),
    "schlogl": (600, None),
    "smooth_life": (20, (72, 4, 48, 64)),
    "star_wars": (400, (72, 40, 96, 128)),
    "waves": (140, None),
    "weave": (200, (0, 16, 48, 64)),
}


def thumbnail(name: str) -> Image.Image:
    """The config's picture at a good step, filling `SIZE`."""
    config = load_config(name)
    step, part = CHOICES.get(name, (config.steps, None))
    return fitted(space_time(config, step) if len(config.grid.sides) == 1 else last_state(config, step), part)


def fitted(whole: Image.Image, part: tuple[int, int, int, int] | None = None) -> Image.Image:
    """A picture, or a part of it (top, left, height, width), filling `SIZE`."""
    top, left, h, w = part or (0, 0, whole.height, whole.width)
    shown = whole.crop((left, top, left + w, top + h))
    factor = max(SIZE[0] / w, SIZE[1] / h)
    # Enlarged cells stay crisp; smaller ones are averaged.
    kind = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.BOX
    shown = shown.resize((round(w * factor), round(h * factor)), kind)
    x, y = (shown.width - SIZE[0]) // 2, (shown.height - SIZE[1]) // 2
    return shown.crop((x, y, x + SIZE[0], y + SIZE[1]))


def last_state(config: RunConfig, step: int) -> Image.Image:
    """The state after `step` steps, one pixel a cell; of a grid of three axes the config's slice, or the maximum over z."""
    changes: dict[str, object] = {"scale": 1}
    if len(config.grid.sides) == 3 and config.picture.slice is None:
        changes["slice"] = {"z": "max"}
    config = config.model_copy(update={"picture": config.picture.model_copy(update=changes)})
    with build_motor(config, "cpu") as motor:
        motor.step(step)
        return render_picture(config, motor)


def space_time(config: RunConfig, steps: int) -> Image.Image:
    """The states of a grid of one axis, one row each, evenly spaced over `steps` steps, as many as fill the shape of `SIZE`."""
    settings, rows = config.picture, config.grid.sides[0] * SIZE[1] // SIZE[0]
    with build_motor(config, "cpu") as motor:
        request = motor.request([settings.field or motor.traits.default_field], universe=0)
        field, seen = request.fields[0], []
        for _ in range(rows):
            seen.append(motor.look(request)[field.name][0])
            motor.step(max(1, steps // rows))
    values = np.stack(seen, -2)
    levels = check_levels("levels", settings.levels) if settings.levels else find_levels([values], *field.range)
    return picture(values, field.name, settings.colour_map or field.colour_map, levels)


def main(names: list[str]) -> None:
    """Writes the thumbnails of these configs; of all when there are none."""
    FOLDER.mkdir(exist_ok=True)
    for name in names or shipped_configs():
        thumbnail(name).quantize(64, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
