"""Weights in eight bits: how near they are, how small, and that they are read like any other."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, FileUnreadableError, LawError
from aetheria.laws import GrowingNCA, build_law, load_weights
from aetheria.laws.int8_weights import dequantised, quantise_file, quantised
from tests.paths import ROOT
from tests.small_laws import SMALL, small_law

LIZARD = ROOT / "configs/weights/growing_nca_lizard.safetensors"


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 1, 1), (3, 4, 3, 3)])
def test_no_weight_moves_by_more_than_half_a_step_of_its_row(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    # Rows of very different size: each has a scale of its own.
    weight = torch.randn(shape) * torch.logspace(-6, 3, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    stored = quantised({"w": weight})
    assert stored["w"].dtype == torch.int8
    back = dequantised(stored)["w"]
    assert back.dtype == torch.float32
    step = weight.flatten(1).abs().amax(1).double() / 127
    apart = (back.double() - weight.double()).abs().flatten(1).amax(1)
    assert (apart <= 0.5001 * step).all()
    assert (apart > 0.3 * step).any()  # it does round


def test_what_eight_bits_can_say_is_kept_exactly() -> None:
    whole = torch.arange(-127.0, 128).reshape(1, -1).repeat(2, 1) * torch.tensor([[0.5], [4.0]])
    zeros = torch.zeros(2, 3)
    bias, count = torch.rand(7), torch.tensor([[3, 4]])
    back = dequantised(quantised({"whole": whole, "zeros": zeros, "bias": bias, "count": count}))
    assert set(back) == {"whole", "zeros", "bias", "count"}
    for name, tensor in {"whole": whole, "zeros": zeros, "bias": bias, "count": count}.items():
        assert torch.equal(back[name], tensor), name


def test_a_scale_that_fits_no_weight_is_a_tensor_like_any_other() -> None:
    tensors = {"norms.0.scale": torch.ones(3), "odd.int8_scale": torch.ones(3)}
    tensors |= {"w": torch.ones(2, 2, dtype=torch.int8), "w.int8_scale": torch.ones(3)}
    assert dequantised(tensors) == tensors


@pytest.mark.parametrize("name", ["MLP", "DEEP_QCA", "UNet", "ConvLSTM", "GrowingNCA"])
def test_every_neural_law_loads_its_weights_from_eight_bits(name: str, tmp_path: Path) -> None:
    law, other = small_law(name, seed=1), build_law(name, seed=2, **SMALL[name])
    save_file(law.state_dict(), tmp_path / "whole.safetensors")
    quantise_file(tmp_path / "whole.safetensors", tmp_path / "eight.safetensors")
    load_weights(other, tmp_path / "eight.safetensors")
    wanted = dequantised(quantised(law.state_dict()))
    assert other.state_dict().keys() == wanted.keys()
    for key, tensor in other.state_dict().items():
        assert torch.equal(tensor, wanted[key]), key


def test_a_trained_law_takes_a_quarter_and_still_grows_its_picture(tmp_path: Path) -> None:
    eight = tmp_path / "eight.safetensors"
    quantise_file(LIZARD, eight)
    assert eight.stat().st_size < 0.3 * LIZARD.stat().st_size
    grown = [picture_of(build_law("GrowingNCA", weights=path)) for path in (LIZARD, eight)]
    assert grown[0].amax() > 0.9
    assert float((grown[0] - grown[1]).square().mean()) < 1e-3


def picture_of(law: nn.Module) -> Tensor:
    """RGBA at step 64."""
    assert isinstance(law, GrowingNCA)
    cells = torch.zeros(1, 16, 48, 48)
    cells[0, :, 24, 24] = law.seed_cell()
    state: tuple[Tensor, ...] = (cells, *law.initial_memory(cells, 3))
    with torch.inference_mode():
        for _ in range(64):
            state = law(*state)
    return state[0][:, :4].clamp(0, 1)


def test_what_a_file_says_of_itself_comes_along(tmp_path: Path) -> None:
    save_file({"w": torch.ones(2, 2)}, tmp_path / "a.safetensors", {"config": "steps = 3"})
    quantise_file(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    with safe_open(tmp_path / "b.safetensors", "pt") as file:
        assert file.metadata()["config"] == "steps = 3"


def test_what_is_wrong_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"\x10")
    with pytest.raises(FileUnreadableError, match="torn"):
        quantise_file(torn, tmp_path / "out.safetensors")
    with pytest.raises(ConfigError, match=r"out\.pt: expected a name that ends in .safetensors"):
        quantise_file(torn, tmp_path / "out.pt")
    assert [path.name for path in tmp_path.iterdir()] == ["torn.safetensors"]
    wrong = quantised(small_law("MLP").state_dict())
    wrong["hidden.weight.int8_scale"][0] = torch.nan
    save_file(wrong, tmp_path / "nan.safetensors")
    with pytest.raises(LawError, match=r"hidden\.weight: holds NaN"):
        load_weights(small_law("MLP"), tmp_path / "nan.safetensors")
    assert load_file(tmp_path / "nan.safetensors")["hidden.weight"].dtype == torch.int8
