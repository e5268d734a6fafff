"""Values that a law's cells may have, wherever cells are given: bytes are scaled with a word, others are refused."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from aetheria import Aetheria_Motor, GrowingNCA, Lenia, Life, NeuralCA
from aetheria.core.errors import StateError
from aetheria.laws.base import Law
from aetheria.motor.initial import Initial, make_initial
from tests.small_laws import wrapped

SHAPE = (1, 1, 8, 8)
Array = NDArray[Any]


def from_file(law: nn.Module, array: Array, folder: Path) -> torch.Tensor:
    np.save(folder / "a.npy", array)
    return make_initial(Initial(kind="npy", path=str(folder / "a.npy")), wrapped(law), SHAPE, 0)


def from_array(law: nn.Module, array: Array, _: Path) -> torch.Tensor:
    return Aetheria_Motor(law, 8, 1, "cpu", {"plan": "eager"}, initial=array).cells


def set_later(law: nn.Module, array: Array, _: Path) -> torch.Tensor:
    motor = Aetheria_Motor(law, 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    motor.set_cells(array)
    return motor.cells


def restarted(law: nn.Module, array: Array, _: Path) -> torch.Tensor:
    motor = Aetheria_Motor(law, 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    motor.restart(initial=array)
    return motor.cells


WAYS: list[Callable[[nn.Module, Array, Path], torch.Tensor]] = [from_file, from_array, set_later, restarted]


def of(*values: float, dtype: Any = np.float32) -> Array:
    return np.resize(np.array(values), 64).astype(dtype).reshape(1, 8, 8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("law", "values", "wrong"),
    [
        (Life(), of(0, 0.3, 1), "0.3"),
        (Life(), of(0, 255), "255"),
        (Life(), of(0, 2, dtype=np.uint8), "2"),
        (Life(), of(0, 1, 255, dtype=np.uint8), "255"),
        (Life(), of(0, -1, dtype=np.int64), "-1"),
        (Life(), of(0, 255, dtype=np.int32), "255"),
        (NeuralCA(1, 4, values="bits"), of(0, 0.5), "0.5"),
        (Lenia(R=3), of(0, 1.5), "1.5"),
        (Lenia(R=3), of(-0.1, 1), "-0.1"),
        (Lenia(R=3), of(0, 255, dtype=np.int16), "255"),
        (NeuralCA(1, 4, values="unit"), of(0, 255), "255"),
    ],
)
def test_values_that_the_cells_cannot_have_are_refused(way: Any, law: Law, values: Array, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=rf"cells of {wrong} given; {law.name} has ") as caught:
        way(law, values, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("law", "values", "cells"),
    [
        (Life(), of(0, 1, dtype=np.uint8), of(0, 1)),
        (Life(), of(0, 1, dtype=bool), of(0, 1)),
        (Life(), of(0, 1, dtype=">i8"), of(0, 1)),
        (Life(), of(0, 255, dtype=np.uint8), of(0, 1)),
        (Life(), of(255, dtype=np.uint8), of(1)),
        (Lenia(R=3), of(0, 51, 255, dtype=np.uint8), of(0, 0.2, 1)),
        (Lenia(R=3), of(0, 1, dtype=np.uint8), of(0, 1)),
        (Lenia(R=3), of(0, 1 + 1e-6, dtype=np.float64), of(0, 1 + 1e-6)),
        (NeuralCA(1, 4, values="unit"), of(0, 255, dtype=np.uint8), of(0, 1)),
        (NeuralCA(1, 4), of(-300, 255), of(-300, 255)),
        (NeuralCA(1, 4), of(0, 255, dtype=np.uint8), of(0, 255)),
    ],
)
def test_values_that_the_cells_can_have_are_taken_and_bytes_are_a_picture(
    way: Any, law: Law, values: Array, cells: Array, tmp_path: Path
) -> None:
    np.testing.assert_allclose(way(law, values, tmp_path)[0].numpy(), cells, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["?", "u1", "u2", ">u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "g"])
@pytest.mark.parametrize("way", WAYS)
def test_numbers_of_every_type_are_taken_and_checked(way: Any, dtype: str, tmp_path: Path) -> None:
    for law in (Life(), Lenia(R=3)):
        assert float(way(law, of(0, 1, dtype=dtype), tmp_path).sum()) == 32
        if dtype not in ("?", "u1"):
            with pytest.raises(StateError, match="cells of 2 given"):
                way(law, of(0, 2, dtype=dtype), tmp_path)


def test_a_law_of_no_stated_range_takes_any_finite_value() -> None:
    motor = Aetheria_Motor(nn.Identity(), 8, 1, "cpu", {"plan": "eager"}, initial=of(-7, 255, dtype=np.int16))
    assert float(motor.cells.max()) == 255


def test_bytes_that_are_scaled_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        from_file(Lenia(R=3), of(0, 1, dtype=np.uint8), tmp_path)
        assert not caplog.records
        from_file(Lenia(R=3), of(0, 255, dtype=np.uint8), tmp_path)
    assert caplog.messages == [
        f"{tmp_path / 'a.npy'}: bytes of 0 to 255 given, read as a picture: 255 is 1, the highest value of Lenia"
    ]


def test_an_orbium_of_bytes_lives_as_the_real_one(tmp_path: Path) -> None:
    law = Lenia("O2u")
    cells = np.zeros((64, 64), np.uint8)
    orbium = law.creatures()[0].cells
    cells[20 : 20 + orbium.shape[0], 20 : 20 + orbium.shape[1]] = np.round(orbium * 255)
    motor = Aetheria_Motor(law, 64, 1, "cpu", {"plan": "eager"}, initial=cells)
    motor.step(50)
    assert 65 < float(motor.cells.sum()) < 80  # 73.4 from the shipped cells


def test_an_image_becomes_whole_states_and_its_greys_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.array([[0, 100, 200, 255]], np.uint8)).save(tmp_path / "a.png")
    initial = Initial(kind="image", path=str(tmp_path / "a.png"))
    with caplog.at_level(logging.WARNING):
        cells = make_initial(initial, Life(), SHAPE, 0)
        assert cells[0, 0, 4, 2:6].tolist() == [0, 0, 1, 1]
        assert "has greys; cells brighter than half are alive" in caplog.text
        caplog.clear()
        assert make_initial(initial, Lenia(R=3), SHAPE, 0)[0, 0, 4, 3] == pytest.approx(100 / 255)
        Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "b.png")
        large = make_initial(Initial(kind="image", path=str(tmp_path / "b.png"), scale=3), Life(), SHAPE, 0)
    assert set(large.unique().tolist()) == {0, 1}


def test_colours_and_hidden_channels_are_not_bounded(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 2, 4), 255, np.uint8)).save(tmp_path / "a.png")
    law = GrowingNCA(6, 4)
    cells = make_initial(Initial(kind="image", path=str(tmp_path / "a.png")), law, (1, 6, 8, 8), 0)
    assert float(cells.sum()) == 24
