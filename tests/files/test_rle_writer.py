"""RLE that is written: cells come back, and texts are those that Golly writes."""

import json

import numpy as np
import pytest

from aetheria.files.rle import read_rle
from aetheria.files.rle_writer import letter, rle_text
from tests.paths import GOLDEN

with np.load(GOLDEN / "pattern_formats.npz") as _file:
    EXPECTED = {name: _file[name] for name in _file.files}
CASES = json.loads(str(EXPECTED["meta"]))["cases"]


@pytest.mark.parametrize("states", [2, 3, 25, 26, 256])
@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_random_cells_come_back(states: int, share: float) -> None:
    random = np.random.default_rng(states)
    cells = np.where(random.random((37, 90)) < share, random.integers(0, states, (37, 90)), 0).astype(np.uint8)
    cells[:2] = cells[-3:] = 0
    cells[:, :2] = 0
    text = rle_text(cells, "345/2/4", states=states, corner=(-3, 1000), generation=77)
    assert max(map(len, text.splitlines())) <= 70
    pattern = read_rle(text, "x")
    assert np.array_equal(pattern.cells, cells)
    assert (pattern.rule, pattern.corner, pattern.generation, pattern.notes) == ("345/2/4", (-3, 1000), 77, ())


@pytest.mark.parametrize("case", CASES)
def test_the_cells_that_golly_read_are_written_and_come_back(case: str) -> None:
    cells = EXPECTED[f"{case}/cells"].astype(np.uint8)
    assert np.array_equal(read_rle(rle_text(cells), "x").cells[: cells.shape[0], : cells.shape[1]], cells)


def test_known_texts() -> None:
    """Texts as Golly 3.3 writes them."""
    glider = np.array([[0, 1, 0], [0, 0, 1], [1, 1, 1]], np.uint8)
    assert rle_text(glider) == "x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n"
    decay = np.array([[0, 1, 2, 0], [0, 0, 0, 0], [3, 3, 0, 24], [0, 0, 25, 255]], np.uint8)
    assert rle_text(decay, "R") == "x = 4, y = 4, rule = R\n.AB2$2C.X$2.pAyO!\n"
    assert rle_text(np.zeros((2, 3), np.uint8)) == "x = 3, y = 2, rule = B3/S23\n!\n"
    assert rle_text(glider, states=3).endswith("\n.A$2.A$3A!\n")
    assert rle_text(glider, corner=(-1, 2)).startswith("#CXRLE Pos=2,-1\n")


def test_every_state_has_letters_of_its_own() -> None:
    letters = [letter(state, two=False) for state in range(256)]
    assert (letters[0], letters[1], letters[24], letters[25], letters[48], letters[49], letters[255]) == (
        *(".", "A", "X", "pA", "pX", "qA", "yO"),
    )
    assert len(set(letters)) == 256
