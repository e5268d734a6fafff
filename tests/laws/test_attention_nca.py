"""AttentionNCA: against CAX, encodings of places, symmetries, bad input."""

from typing import Any

import numpy as np
import pytest
import torch

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import AttentionNCA, build_law
from aetheria.motor.motor import Aetheria_Motor
from aetheria.training.objectives.restore import blurs
from aetheria.training.target_images import read_picture
from tests.oracles import oracle
from tests.paths import ROOT
from tests.small_laws import stepper


def attention(seed: int = 0, **given: Any) -> AttentionNCA:
    small: dict[str, Any] = {"channels": 5, "hidden_channels": 8, "token_channels": 6, "heads": 2, "fire_rate": 1.0}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AttentionNCA(**small | {"head_channels": 12, "output_scale": 0.5} | given).double().eval()


def test_local_attention_steps_as_cax_does() -> None:
    of = oracle("neural", "local_attention_2d")
    given = of.arrays
    channels, heads, size = given["input"].shape[-1], *given["q_bias"].shape
    sizes: dict[str, Any] = {"token_channels": len(given["proj_b"]), "heads": heads, "head_channels": size}
    law = AttentionNCA(channels, len(given["b1"]), position=given["position"], fire_rate=1.0, boundary="zero", **sizes).double()
    tensors = {
        "project": (given["proj_w"], given["proj_b"]),
        "hidden": (given["w1"], given["b1"]),
        "out": (given["w2"], given["b2"]),
    }
    for ours, theirs in (("queries", "q"), ("keys", "k"), ("values", "v")):
        kernel = given[f"{theirs}_kernel"]
        tensors[ours] = kernel.reshape(len(kernel), -1), given[f"{theirs}_bias"].ravel()
    tensors["join"] = given["o_kernel"].reshape(heads * size, -1), given["o_bias"]
    state = {f"{name}.weight": torch.from_numpy(weight.T.copy())[..., None, None] for name, (weight, _) in tensors.items()}
    law.load_state_dict(state | {f"{name}.bias": torch.from_numpy(bias.copy()) for name, (_, bias) in tensors.items()})
    start = torch.from_numpy(np.moveaxis(given["input"], -1, 0).copy())[None]
    for (cells, *_), expected in of.followed((start, *law.initial_memory(start)), stepper(law)):
        wanted = torch.from_numpy(np.moveaxis(expected, -1, 0).copy())[None]
        torch.testing.assert_close(cells, wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_rotary_positions_are_relative_and_tell_neighbours_apart(rank: int) -> None:
    law, grid = attention(rank=rank), (6, 5, 7)[-rank:]
    cells = torch.rand(1, 5, *grid, dtype=torch.float64)
    axes = tuple(range(2, rank + 2))
    with torch.no_grad():
        after = law.change(cells)
        torch.testing.assert_close(law.change(cells.roll((2,) * rank, axes)), after.roll((2,) * rank, axes))
        # Without positions a mirrored neighbourhood is the same one.
        assert not torch.allclose(law.change(cells.flip(axes)), after.flip(axes))
        blind = attention(rank=rank, position="none")
        torch.testing.assert_close(blind.change(cells.flip(axes)), blind.change(cells).flip(axes))


def test_sinusoidal_positions_are_absolute_and_those_of_the_formula() -> None:
    law = attention(position="sinusoidal", position_channels=4)
    cells = torch.rand(1, 5, 6, 7, dtype=torch.float64)
    with torch.no_grad():
        assert not torch.allclose(law.change(cells.roll(2, 3)), law.change(cells).roll(2, 3))
    rates = np.array([1, 1e-2])
    table = [[*np.sin(place * rates), *np.cos(place * rates)] for place in range(7)]
    same = attention(position=table)
    same.load_state_dict(law.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(same.change(cells), law.change(cells))


def test_beyond_a_zero_edge_there_is_nothing_to_attend_to() -> None:
    """A grid of equal cells gives equal changes, at the edges too; a cell of zeros beyond them would not."""
    law = attention(boundary="zero", position="none")
    with torch.no_grad():
        after = law.change(torch.full((1, 5, 4, 6), 0.7, dtype=torch.float64))
    torch.testing.assert_close(after, after[:, :, :1, :1].expand_as(after))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 0}, "channels: 0 given"),
        ({"heads": 0}, "heads: 0 given"),
        ({"position": "rotated"}, 'position: "rotated" given; expected one of none, sinusoidal, rotary, or rows'),
        ({"position": [1.0, 2.0]}, "position: expected one of none, sinusoidal, rotary, or rows of finite numbers"),
        ({"head_channels": 6}, "head_channels: 6 given; expected a multiple of 4 for rotary positions"),
        ({"position": "sinusoidal", "position_channels": 3}, "position_channels: 3 given; expected an even number"),
        ({"fire_rate": 2.0}, r"fire_rate: 2\.0 given; expected 0 < fire_rate <= 1"),
        ({"rank": 4}, "rank: .*4"),
        ({"boundary": "torus"}, "boundary: .*torus.* expected one of periodic, zero, reflect"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=r"\[law\.attentionnca\] " + message):
        AttentionNCA(**settings)


def test_a_table_of_too_few_positions_is_refused() -> None:
    law = AttentionNCA(3, position=[[0.0], [1.0]])
    with pytest.raises(LawError, match="its table of positions has 2 rows; expected one for each coordinate"):
        Aetheria_Motor(law, (2, 3), 3, "cpu", {"plan": "eager"})


def test_shipped_weights_take_noise_out_of_a_picture() -> None:
    part = (slice(None), slice(14, 50), slice(48, 96))  # on a torus of its own
    noisy, clean = (read_picture(ROOT / "configs/pictures" / f"{name}.png")[part] for name in ("harbour_noisy", "harbour"))
    law = build_law("AttentionNCA", weights=ROOT / "configs/weights/attention_nca_mosaics.safetensors")
    first = torch.ones(1, 12, *clean.shape[1:]) * noisy[3]
    first[:, :4] = noisy
    best_blur = min(float((one - clean[:3]).square().mean()) for one in blurs(noisy[None], 12))
    with Aetheria_Motor(law, tuple(clean.shape[1:]), None, "cpu", {"plan": "eager"}, initial=first) as motor:
        for steps in (10, 30, 160):  # to step 200
            motor.step(steps)
            error = float((motor.cells[0, :3] - clean[:3]).square().mean())
            assert error < 0.8 * best_blur, (steps, error, best_blur)
