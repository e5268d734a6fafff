"""NeuralCA against NumPy: kernels of any radius in one, two and three dimensions."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import build_law
from aetheria.laws.neural.neural_ca import NeuralCA

Array = NDArray[np.float64]
GRID = (9, 11, 10)
MODES: dict[str, Any] = {"periodic": "wrap", "zero": "constant", "reflect": "reflect"}


def numpy_step(cells: Array, law: NeuralCA) -> Array:
    """`(C, *grid)` by explicit windows: averages, tanh layer, output."""
    rank, (w, r) = cells.ndim - 1, (law.state_dict(), law.radius)
    kernel = w["kernel"].numpy() * law.scale
    wide = np.pad(cells, ((0, 0), *((r, r),) * rank), mode=MODES[law.boundary])
    windows = np.lib.stride_tricks.sliding_window_view(wide, kernel.shape[2:], tuple(range(1, rank + 1)))
    averages = np.tensordot(kernel, windows, (range(1, rank + 2), (0, *range(rank + 1, 2 * rank + 1))))

    def dense(name: str, values: Array) -> Array:
        weight, bias = w[f"{name}.weight"].flatten(1).numpy(), w[f"{name}.bias"].numpy()
        return np.tensordot(weight, values, 1) + bias.reshape(-1, *[1] * rank)

    out = dense("out", np.tanh(dense("hidden", averages)))
    if law.values == "bits":
        return (out > 0).astype(np.float64)
    return cells + out if law.values == "real" else np.clip(cells + out, 0, 1)


@pytest.mark.parametrize("boundary", MODES)
@pytest.mark.parametrize("values", ["real", "unit", "bits"])
@pytest.mark.parametrize("radius", [1, 4])  # summed tap by tap, and by spectra
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_three_steps_equal_numpy(rank: int, radius: int, values: str, boundary: str) -> None:
    settings: dict[str, Any] = {"channels": 2, "hidden_channels": 5, "kernels": 3, "radius": radius, "values": values}
    law = build_law("NeuralCA", seed=4, rank=rank, boundary=boundary, **settings).double().eval()
    assert isinstance(law, NeuralCA)
    assert law.kernel.shape == (3, 2, *(2 * radius + 1,) * rank)
    cells = law.random_cells(GRID[:rank], torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        if values == "bits":  # outputs on both sides of 0, so that the first step gives both bits
            law.out.bias -= law.output(cells[None]).flatten(2).mean(2)[0]  # type: ignore[operator]
            assert 0 < float(law(cells[None]).mean()) < 1
        expected = cells.numpy()
        for _ in range(3):
            cells, expected = law(cells[None])[0], numpy_step(expected, law)
            np.testing.assert_allclose(cells, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_grid_narrower_than_a_wide_kernel_is_refused(rank: int) -> None:
    law = NeuralCA(1, 2, radius=4, rank=rank)
    with pytest.raises(LawError, match=r"\[law\.neuralca\] grid .*8: must be at least 9 on each side, the kernel's width"):
        law(torch.rand(1, 1, *(8,) * rank))


@pytest.mark.parametrize("rank", [0, 4, True])
@pytest.mark.parametrize("name", ["NeuralCA", "GrowingNCA", "MLP", "DEEP_QCA"])
def test_a_grid_has_one_two_or_three_axes(name: str, rank: int) -> None:
    needed = {"d_state": 1} if name in ("MLP", "DEEP_QCA") else {}
    with pytest.raises(ConfigError, match=rf"law\.{name.lower()}\]? *\.?rank"):
        build_law(name, rank=rank, **needed)  # type: ignore[arg-type]
