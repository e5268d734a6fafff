"""A motor made with few words: the law's own size, initial cells as in a config, and fields that a law has."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria import LAWS, Aetheria_Motor, ConfigError, Law, LawError, Life, NeuralCA, Recorder, Recording
from aetheria.motor.initial import Initial
from tests.small_laws import small_law

EAGER = {"plan": "eager"}


@pytest.mark.parametrize("name", LAWS)
def test_a_law_knows_its_own_size(name: str) -> None:
    law = small_law(name)
    assert isinstance(law, Law)
    grid = (16,) * min(law.ranks)
    size = law.d_state or law.channels
    short, full = Aetheria_Motor(law, grid, device="cpu", cfg=EAGER), Aetheria_Motor(law, grid, size, "cpu", EAGER)
    assert short.shape == full.shape
    assert torch.equal(short.cells, full.cells)


def test_the_shortest_motor_steps() -> None:
    motor = Aetheria_Motor(Life(), 64)
    assert motor.shape == (1, 1, 64, 64)
    assert motor.step(3) == 3


class Blur(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        return (cells + cells.roll(1, -1)) / 2


class Sized(Blur):
    channels = 3


def test_a_plain_module_states_its_channels_or_is_told_them() -> None:
    assert Aetheria_Motor(Sized(), 8, device="cpu", cfg=EAGER).shape == (1, 3, 8, 8)
    assert Aetheria_Motor(Sized(), 8, 2, "cpu", EAGER).shape == (1, 2, 8, 8)
    with pytest.raises(LawError, match="d_state: missing; Blur does not state its channels: give their number"):
        Aetheria_Motor(Blur(), 8)
    with pytest.raises(LawError, match="d_state 3: Life has 1 real channels"):
        Aetheria_Motor(Life(), 8, 3)
    for wrong in (0, True, 1.0, "2"):
        with pytest.raises(ConfigError, match="expected a whole number of 1 or more"):
            Aetheria_Motor(Life(), 8, wrong)  # type: ignore[arg-type]  # is refused


def test_initial_cells_are_described_as_in_a_config(tmp_path: Path) -> None:
    (tmp_path / "glider.rle").write_text("x = 3, y = 3, rule = B3/S23\nbo$2bo$3o!\n")
    for table in ({"kind": "noise"}, {"kind": "rle", "path": str(tmp_path / "glider.rle"), "at": [4, 4]}):
        motor = Aetheria_Motor(Life(), 16, 1, "cpu", EAGER, initial=table)
        same = Aetheria_Motor(Life(), 16, 1, "cpu", EAGER, initial=Initial.checked(table, "initial"))
        assert torch.equal(motor.cells, same.cells)
        motor.step(2)
        motor.restart()
        assert torch.equal(motor.cells, same.cells)
    motor.restart(initial={"kind": "seed"})
    assert motor.cells.sum() == 1
    with pytest.raises(ConfigError, match=r"\[initial\] knid: unknown key; did you mean kind"):
        Aetheria_Motor(Life(), 16, initial={"knid": "noise"})
    with pytest.raises(ConfigError, match=r"\[initial\] kind: missing"):
        Aetheria_Motor(Life(), 16, initial={})


def test_real_cells_have_no_population_and_the_others_do() -> None:
    motor = Aetheria_Motor(NeuralCA(values="real"), 8, device="cpu", cfg=EAGER)
    assert "population" not in motor.traits.fields
    with pytest.raises(ConfigError, match='field "population": no such field of this law'):
        motor.read("population")
    bits = Aetheria_Motor(NeuralCA(values="bits"), 8, device="cpu", cfg=EAGER, initial=torch.ones(1, 8, 8))
    assert bits.read("population").item() == 64


def test_a_law_that_offers_a_population_without_live_cells_is_told_so() -> None:
    law = NeuralCA(values="real")
    law.fields = ("channel", "population")
    with pytest.raises(ConfigError, match=r"does not say which cells are alive"):
        Aetheria_Motor(law, 8, device="cpu", cfg=EAGER).read("population")


def test_large_finite_cells_are_recorded_averaged_down(tmp_path: Path) -> None:
    motor = Aetheria_Motor(Blur(), 16, 1, "cpu", EAGER, initial=np.full((1, 16, 16), 1e38))
    with Recorder(motor, tmp_path / "run.h5", fields=["channel_0"], size=4):
        motor.step(2)
    with Recording(tmp_path / "run.h5") as recording:
        assert np.allclose(recording[-1]["channel_0"], 1e38)
