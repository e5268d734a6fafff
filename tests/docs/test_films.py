"""The films of the gallery: one for each family, short and small, of a shipped config."""

import films
import numpy as np
from PIL import Image

from aetheria.laws import laws_by_family
from tests.paths import ROOT

FOLDER = ROOT / "docs" / "films"
_MOST_BYTES = 200_000


def test_every_family_has_a_film_that_moves() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {family.lower() for family in films.FILMS}
    assert set(films.FILMS) <= set(laws_by_family())
    for family, film in films.FILMS.items():
        path = FOLDER / f"{family.lower()}.webp"
        assert path.stat().st_size < _MOST_BYTES
        with Image.open(path) as image:
            assert image.size == films.SIZE
            assert 10 < getattr(image, "n_frames", 1) <= film.count, "equal pictures are one"
            assert image.info["loop"] == 0


def test_a_film_begins_at_its_first_step_and_shows_the_cells() -> None:
    first, second = films.pictures(films.Film("gosper_gun", 0, 30, 2))
    assert first.size == films.SIZE
    # The gun has a period of 30 steps, and a glider more after them.
    live = [int((np.asarray(image.convert("L")) > 127).sum()) for image in (first, second)]
    assert live[0] < live[1] < 1.4 * live[0]
