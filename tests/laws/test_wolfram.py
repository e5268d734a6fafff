"""Elementary and Totalistic: every rule of an independent program, and other colours and radii against NumPy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError
from aetheria.laws import Elementary, Totalistic
from tests.oracles import cells_of, oracle

Row = NDArray[np.int64]
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}


def numpy_step(row: Row, table: list[int], colours: int, radius: int, boundary: str, summed: bool) -> Row:
    around = np.lib.stride_tricks.sliding_window_view(np.pad(row, radius, mode=MODES[boundary]), 2 * radius + 1)
    weights = np.ones(2 * radius + 1, int) if summed else colours ** np.arange(2 * radius, -1, -1)
    return np.array(table)[around @ weights]


def test_all_256_elementary_rules_are_those_of_numpy_cellpylib_and_cax() -> None:
    of = oracle("elementary", "all_256")
    last, populations = of.arrays["expected_last"], of.arrays["populations"]
    for rule in range(256):
        law, cells = Elementary(rule), cells_of(of.arrays["input"])
        counts = [int(cells.sum())]
        for _ in range(of.parameters["steps"]):
            cells = law(cells)
            counts.append(int(cells.sum()))
        assert np.array_equal(np.packbits(cells[0, 0].numpy().astype(np.uint8)), last[rule]), rule
        assert counts == populations[rule].tolist()


@pytest.mark.parametrize("rule", [30, 90, 110, 150])
def test_the_history_of_one_cell_is_known(rule: int) -> None:
    of = oracle("elementary", f"single_cell_rule_{rule}")
    law, cells = Elementary(f"W{rule}"), cells_of(of.arrays["input"])
    for expected in of.arrays["expected_history"]:
        assert np.array_equal(np.packbits(cells[0, 0].numpy().astype(np.uint8)), expected)
        cells = law(cells)


@pytest.mark.parametrize("case", ["code_777_k3", "code_1599_k3", "code_912_k3", "code_2049_k3", "code_1004600_k4"])
def test_totalistic_codes_are_those_of_cellpylib(case: str) -> None:
    of = oracle("totalistic_1d", case)
    law = Totalistic(of.parameters["code"], colours=of.parameters["colours"])
    for cells, expected in of.followed(cells_of(of.arrays["input"]), law):
        assert np.array_equal(cells[0, 0].numpy(), expected)


@pytest.mark.parametrize("boundary", ["periodic", "zero", "reflect"])
@pytest.mark.parametrize(("colours", "radius"), [(2, 1), (2, 2), (3, 1), (5, 2), (2, 5)])
def test_other_colours_and_radii_step_as_numpy_does(colours: int, radius: int, boundary: Any) -> None:
    random = np.random.default_rng(colours * radius)
    for summed in (False, True):
        entries = (colours - 1) * (2 * radius + 1) + 1 if summed else colours ** (2 * radius + 1)
        table = random.integers(colours, size=entries).tolist()
        number = sum(digit * colours**place for place, digit in enumerate(table))
        make = Totalistic if summed else Elementary
        law = make(str(number), colours=colours, radius=radius, boundary=boundary)
        row = random.integers(colours, size=23)
        cells = cells_of(row)
        for _ in range(4):
            cells, row = law(cells), numpy_step(row, table, colours, radius, boundary, summed)
            assert np.array_equal(cells[0, 0].numpy(), row)


def test_a_ring_smaller_than_the_radius_counts_cells_more_than_once() -> None:
    law = Totalistic(2**5, colours=2, radius=3)  # 1 where the sum is 5
    assert law(torch.tensor([[[1.0, 1.0, 0.0]]])).tolist() == [[[1.0, 1.0, 0.0]]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Elementary(256), r'\[law.elementary\] rule: "256" given; expected a whole number from 0 to 255'),
        (lambda: Elementary(-1), 'rule: "-1" given'),
        (lambda: Elementary("B3/S23"), 'rule: "B3/S23" given'),
        (lambda: Elementary("1" * 90000), r"rule: \"1{37}\.\.\.\" given"),
        (lambda: Elementary(colours=1), "colours: 1 given; expected a whole number from 2 to 256"),
        (lambda: Elementary(radius=0), "radius: 0 given; expected a whole number of 1 or more"),
        (lambda: Elementary(colours=4, radius=7), "table of more than 2.20 entries"),
        (lambda: Totalistic(3**7), r"\[law.totalistic\] code: .2187. given; expected a whole number from 0 to 2186"),
        (lambda: Totalistic(radius=101), "radius: 101 given"),
    ],
)
def test_a_number_that_is_no_rule_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        make()
    assert "\n" not in str(refused.value)
