"""The training step that computes firing cells alone: cells and gradients are the law's own."""

import pytest
import torch
from torch import Tensor, nn

from aetheria.laws import LAWS, GrowingNCA
from aetheria.laws.base import Boundary
from aetheria.laws.cell_network import CellNetwork, Dense
from aetheria.training.firing import FiringStep, training_step


def nca(boundary: Boundary = "periodic", fire_rate: float = 0.5) -> GrowingNCA:
    torch.manual_seed(0)
    law = GrowingNCA(6, 16, fire_rate=fire_rate, boundary=boundary).double()
    nn.init.normal_(law.update.weight, std=0.1)
    nn.init.normal_(law.get_parameter("update.bias"), std=0.1)
    return law


def rolled_out(step: object, law: GrowingNCA, cells: Tensor, steps: int) -> tuple[Tensor, list[Tensor]]:
    """The cells after some steps, and the gradients of a sum over them to the weights and the first cells."""
    first = cells.clone().requires_grad_()
    after, memory = first, law.initial_memory(cells, seed=5)
    for _ in range(steps):
        after, *memory = step(after, *memory)  # type: ignore[operator]
    weights = torch.randn(after.shape, generator=torch.Generator().manual_seed(1), dtype=after.dtype)
    return after, list(torch.autograd.grad((after * weights).sum(), [first, *law.parameters()]))


def grown(size: tuple[int, int]) -> Tensor:
    """Two universes: noise all over, and a small pattern on dead ground."""
    cells = torch.rand(2, 6, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    cells[1, :, :4] = 0
    cells[1, :, :, 5:] = 0
    return cells


@pytest.mark.parametrize("boundary", ["periodic", "zero"])
@pytest.mark.parametrize("fire_rate", [0.5, 1.0])
def test_cells_and_gradients_are_those_of_the_law(boundary: Boundary, fire_rate: float) -> None:
    law = nca(boundary, fire_rate)
    ours, own_grads = rolled_out(FiringStep(law), law, grown((9, 12)), 5)
    laws, law_grads = rolled_out(law, law, grown((9, 12)), 5)
    assert (laws[1] == 0).any()
    assert laws[1].any()  # the pattern lives, and not everywhere
    torch.testing.assert_close(ours, laws, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(own_grads, law_grads, rtol=1e-9, atol=1e-10)


def test_more_rows_than_fit_one_piece_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    law = nca()
    whole = rolled_out(FiringStep(law), law, grown((9, 12)), 2)
    monkeypatch.setattr("aetheria.training.firing._ROWS", 7)
    torch.testing.assert_close(rolled_out(FiringStep(law), law, grown((9, 12)), 2), whole, rtol=1e-10, atol=1e-12)


def test_nothing_alive_is_nothing_to_compute() -> None:
    law = nca()
    cells, grads = rolled_out(FiringStep(law), law, torch.zeros(1, 6, 5, 5, dtype=torch.float64), 2)
    assert not cells.any()
    assert all(not grad.any() for grad in grads)


def test_deeper_networks_with_elu_too() -> None:
    class Deeper(GrowingNCA):
        def cell_network(self) -> CellNetwork:
            network = super().cell_network()
            assert network is not None
            first, last = network.layers
            between = Dense(last.weight.T @ last.weight, first.bias, "elu")
            return CellNetwork(network.filters, (first, between, last), network.boundary, fire_rate=0.5, alive=network.alive)

        def change(self, cells: Tensor, *memory: Tensor) -> Tensor:
            hidden = torch.relu(self.hidden(self.perceive(cells)))
            weight = self.update.weight.flatten(1)
            mixed = nn.functional.conv2d(hidden, (weight.T @ weight)[..., None, None], self.hidden.bias)
            return self.update(nn.functional.elu(mixed))

    torch.manual_seed(0)
    law = Deeper(6, 16).double()
    nn.init.normal_(law.update.weight, std=0.3)
    ours, laws = (rolled_out(step, law, grown((8, 8)), 3) for step in (FiringStep(law), law))
    torch.testing.assert_close(ours, laws, rtol=1e-9, atol=1e-10)


def test_in_bfloat16_gradients_keep_their_direction() -> None:
    law = nca().float()
    cells = grown((9, 12)).float()
    exact = rolled_out(FiringStep(law), law, cells, 3)[1]
    with torch.autocast("cpu", torch.bfloat16):
        rough = rolled_out(FiringStep(law), law, cells, 3)[1]
    for a, b in zip(exact, rough, strict=True):
        assert b.dtype == torch.float32
        assert torch.cosine_similarity(a.flatten(), b.flatten(), 0) > 0.99


def test_other_laws_are_their_own_training_step() -> None:
    assert isinstance(training_step(nca()), FiringStep)
    for law in (LAWS["MLP"](d_state=2), LAWS["Life"](), nca("reflect"), nn.Conv2d(3, 3, 1)):
        assert training_step(law) is law
