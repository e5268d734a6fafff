"""Makes docs/films: a short film of a shipped config for each family of laws, for the gallery.

python docs/films.py [FAMILY ...]
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from thumbnails import SIZE as SIZE
from thumbnails import fitted

from aetheria.runs.config import load_config
from aetheria.runs.last_picture import render_picture
from aetheria.runs.run import build_motor

FOLDER = Path(__file__).parent / "films"
MILLISECONDS = 80  # that a picture is shown; the last one for longer
LAST = 800


@dataclass(frozen=True)
class Film:
    """A film: of a config, `count` pictures from step `first` on, every `every` steps, of a part of the grid or all of it."""

    config: str
    first: int
    every: int
    count: int = 50
    part: tuple[int, int, int, int] | None = None  # (top, left, height, width) in cells


FILMS = {
    "Discrete": Film("gosper_gun", 600, 1, 60, (8, 12, 66, 88)),
    "Physics": Film("epidemic", 0, 7, 28),
    "Continuous": Film("aquarium", 0, 4),
    "Neural": Film("quickstart", 0, 4, 50, (12, 0, 72, 96)),
    "Quantum": Film("quantum_walk_2d", 0, 2),
}


def pictures(film: Film) -> list[Image.Image]:
    """The pictures of a film, as large as those of the gallery."""
    config = load_config(film.config)
    config = config.model_copy(update={"picture": config.picture.model_copy(update={"scale": 1})})
    shown = []
    with build_motor(config, "cpu") as motor:
        motor.step(film.first)
        for _ in range(film.count):
            shown.append(fitted(render_picture(config, motor), film.part))
            motor.step(film.every)
    return shown


def main(families: list[str]) -> None:
    """Writes the films of these families; of all when there are none."""
    FOLDER.mkdir(exist_ok=True)
    for family in families or FILMS:
        first, *others = pictures(FILMS[family])
        shown = [MILLISECONDS] * len(others) + [LAST]
        path = FOLDER / f"{family.lower()}.webp"
        first.save(path, save_all=True, append_images=others, duration=shown, loop=0, quality=70, method=6)


if __name__ == "__main__":
    main(sys.argv[1:])
