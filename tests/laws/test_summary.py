"""Laws shown in a console and in a notebook: one line, a small table, nothing of a law's text taken for markup."""

import pytest
import torch
from torch import nn

from aetheria.laws import LAWS, GrowingNCA, Law, Lenia, Life
from aetheria.laws.base import as_law
from tests.small_laws import small_law


@pytest.mark.parametrize("name", LAWS)
def test_every_law_shows_its_class_parameters_and_weights(name: str) -> None:
    law = small_law(name)
    assert isinstance(law, Law)
    line, table = repr(law), law._repr_html_()
    assert line.startswith(f"{name}(")
    assert len(line.splitlines()) == 1
    assert len(line) < 300
    assert f"<td>{name}</td>" in table
    assert len(table) < 2_000
    count = sum(parameter.numel() for parameter in law.parameters())
    assert (f"{count:,} weights" in line) == (f"<tr><th>weights</th><td>{count:,}</td></tr>" in table) == bool(count)


def test_the_values_shown_are_the_present_ones() -> None:
    law = GrowingNCA(5, 7, boundary="zero")
    law.set_control("fire_rate", 0.25)
    assert repr(law) == "GrowingNCA(channels=5, hidden_channels=7, rank=2, fire_rate=0.25, boundary='zero'; 152 weights)"
    assert repr(Life("B36/S23")) == "Life(rule='B36/S23', boundary='periodic')"
    assert "<tr><th>rule</th><td>B36/S23</td></tr>" in Life("B36/S23")._repr_html_()
    learned = Lenia(R=5)
    learned.m = nn.Parameter(torch.tensor(0.25))  # as a training does
    assert "m=0.25" in repr(learned)


class Odd(Law):
    """A law whose texts are markup."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.channels, self.text = 1, text


def test_the_text_of_a_law_is_no_markup() -> None:
    table = Odd("<script>alert(1)</script>")._repr_html_()
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert len(repr(Odd("x" * 1000))) < 100


def test_a_wrapped_module_shows_its_own_name() -> None:
    assert repr(as_law(nn.Conv2d(2, 2, 3, padding=1), 2)) == "Conv2d(channels=2; 38 weights)"
