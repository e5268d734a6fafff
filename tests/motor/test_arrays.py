"""Cells given as arrays of any kind that NumPy knows, or refused by an error of ours."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import StateError
from aetheria.laws import Life
from aetheria.motor.motor import Aetheria_Motor

BASE = (np.random.default_rng(0).random((1, 8, 8)) < 0.5).astype(np.float32)

FORMS: dict[str, Callable[[NDArray[np.float32]], Any]] = {
    "big-endian": lambda a: a.astype(">f4"),
    "big-endian integers": lambda a: a.astype(">i2"),
    "negative strides": lambda a: np.rot90(a, 1, (1, 2)),
    "Fortran order": np.asfortranarray,
    "read-only": lambda a: np.broadcast_to(a, a.shape),
    "long double": lambda a: a.astype(np.longdouble),
    "bool": lambda a: a.astype(bool),
    "uint8": lambda a: a.astype(np.uint8),
    "float16": lambda a: a.astype(np.float16),
    "a list": lambda a: a.tolist(),
    "a list of rows": lambda a: a[0].tolist(),
    "one channel without its axis": lambda a: a[0],
    "a tensor": torch.from_numpy,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["set", "initial"])
def test_cells_of_any_kind_of_array_are_those_that_numpy_sees(form: str, how: str) -> None:
    given = FORMS[form](BASE)
    if how == "set":
        motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
        motor.set_cells(given)
    else:
        motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"}, initial=given)
    np.testing.assert_array_equal(motor.cells[0].numpy(), np.asarray(given, np.float32).reshape(1, 8, 8))


def test_a_block_is_set_from_a_list() -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    motor.set_cells([[[1, 1], [0, 1]]], at=(2, 3))
    assert motor.cells[0, 0, 2:4, 3:5].tolist() == [[1, 1], [0, 1]]
    assert float(motor.cells.sum()) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (BASE.astype(object), "an array of object given; expected numbers"),
        (BASE.astype(str), "an array of <U.* given; expected numbers"),
        ([[[1, 2], [3]]], "expected an array of numbers"),
        (BASE.astype(np.complex64), "complex numbers given"),
        (np.datetime64("2020"), "datetime64.* given; expected numbers"),
        ({"cells": 1}, "an array of object given"),
        (BASE[:, :4], r"cells: shape \(1, 4, 8\)"),
        (BASE * np.nan, "NaN or Inf given"),
    ],
)
def test_other_values_are_refused_by_an_error_of_ours(given: Any, words: str) -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan": "eager"}, initial=torch.zeros(1, 8, 8))
    with pytest.raises(StateError, match=words):
        motor.set_cells(given)
    assert not motor.cells.any()
