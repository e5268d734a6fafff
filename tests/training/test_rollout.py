"""Rollouts and their loss: gradients equal those of the plain loop, also truncated or recomputed."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError
from aetheria.laws import MLP, ConvLSTM, GrowingNCA, Lenia, NeuralCA
from aetheria.laws.base import Law
from aetheria.training.learner import learn_controls
from aetheria.training.rollout import RolloutConfig, drift, observable, rollout_loss
from aetheria.training.train_config import ImitationConfig


def law_of(kind: str) -> tuple[Law, int]:
    torch.manual_seed(0)
    laws: dict[str, Any] = {
        "MLP": lambda: MLP(2, 8, output_scale=0.1),
        "ConvLSTM": lambda: ConvLSTM(1, 4, output_scale=0.1),
        "GrowingNCA": lambda: GrowingNCA(4, 8),
    }
    law = laws[kind]().double()
    if kind == "GrowingNCA":
        nn.init.normal_(law.update.weight, std=0.1)
    return law, law.d_state or law.channels


def window_for(law: Law, frames: int = 5) -> Tensor:
    return torch.rand(2, frames, law.channels, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def loss_of(law: Law, d_state: int, window: Tensor, how: RolloutConfig = RolloutConfig()) -> Tensor:  # noqa: B008 - a frozen value
    return rollout_loss(law, law, window, how, torch.Generator().manual_seed(3))


def gradients(law: Law, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(law.parameters())))


def by_hand(law: Law, window: Tensor) -> Tensor:
    """The loss as one would write it, with the seed that the rollout draws."""
    seed = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(3)))
    cells = window[:, 0]
    make: Any = law.initial_memory
    memory = make(cells, seed) if law.stochastic else make(cells)
    total = torch.zeros((), dtype=window.dtype)
    for frame in range(1, window.shape[1]):
        out = law(cells, *memory)
        cells, *memory = (out,) if isinstance(out, Tensor) else out
        total = total + (cells - window[:, frame]).square().mean()
    return total / (window.shape[1] - 1)


@pytest.mark.parametrize("kind", ["MLP", "ConvLSTM", "GrowingNCA"])
@pytest.mark.parametrize("kept_every", [None, 1, 3])
def test_loss_and_gradients_are_those_of_the_plain_loop(kind: str, kept_every: int | None) -> None:
    law, d_state = law_of(kind)
    window = window_for(law)
    expected = by_hand(law, window)
    got = loss_of(law, d_state, window, RolloutConfig(checkpoint=kept_every))
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(gradients(law, got), gradients(law, by_hand(law, window)))


def test_storing_fewer_steps_stores_fewer_tensors() -> None:
    law, d_state = law_of("MLP")
    window = window_for(law, frames=17)

    def held(how: RolloutConfig) -> int:
        sizes: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            sizes[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss_of(law, d_state, window, how)
        return sum(sizes.values())

    assert held(RolloutConfig(checkpoint=4)) < held(RolloutConfig()) / 3


def test_truncated_gradients_stop_where_they_are_cut() -> None:
    law, d_state = law_of("MLP")
    window = window_for(law)
    halves = [loss_of(law, d_state, part) for part in (window[:, :3],)]
    after = law(law(window[:, 0])).detach()
    halves.append(loss_of(law, d_state, torch.cat((after[:, None], window[:, 3:]), 1)))
    expected = gradients(law, torch.stack(halves).mean())
    torch.testing.assert_close(gradients(law, loss_of(law, d_state, window, RolloutConfig(truncate=2))), expected)


def test_the_margin_of_a_crop_is_not_in_the_loss() -> None:
    """On a crop of a torus, the inner cells' loss equals that of the same cells stepped on the whole torus."""
    law = NeuralCA(1, 4, radius=1).double()
    torus = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    truth = torch.rand(1, 3, 1, 16, 16, dtype=torch.float64)
    truth[:, 0] = torus
    crop = loss_of(law, 1, truth[..., 2:13, 2:13], RolloutConfig(shrink=1))
    one, two = law(torus), law(law(torus))
    expected = [(one - truth[:, 1])[..., 3:12, 3:12].square().mean(), (two - truth[:, 2])[..., 4:11, 4:11].square().mean()]
    torch.testing.assert_close(crop, torch.stack(expected).mean())


def test_noise_is_added_to_the_first_cells_alone() -> None:
    law = NeuralCA(1, 4).double()
    with torch.no_grad():
        law.out.weight.zero_()
        law.get_parameter("out.bias").zero_()  # cells stay
    window = torch.zeros(1, 2, 1, 64, 64, dtype=torch.float64)
    assert loss_of(law, 1, window, RolloutConfig(noise=0.5)).item() == pytest.approx(0.25, rel=0.1)


def test_conserved_observables_are_in_the_loss() -> None:
    law, d_state = MLP(2, 8, output_scale=0.1, normalise="none", decay=0.5).double(), 2
    window = window_for(law, frames=2)
    plain = loss_of(law, d_state, window)
    start, end = (cells.square().sum((1, 2, 3)) for cells in (window[:, 0], law(window[:, 0])))
    expected = plain + 3 * ((end - start) / start).square().mean()
    got = loss_of(law, d_state, window, RolloutConfig(conserve={"mass": 3.0}))
    assert got.item() == pytest.approx(expected.item(), rel=1e-5)
    assert drift(observable("mass", law), law, window[:, 0], window[:, 0]).item() == 0
    with pytest.raises(ConfigError, match='"density" is a picture; expected an observable'):
        observable("density", law)


@pytest.mark.parametrize("loss", ["squared", "absolute", "cross_entropy"])
def test_losses_are_zero_for_correct_cells(loss: Any) -> None:
    law = NeuralCA(1, 4, values="bits").double()
    with torch.no_grad():
        law.out.weight.zero_()
        law.get_parameter("out.bias").fill_(1e3)  # every cell comes alive
    window = torch.ones(1, 3, 1, 8, 8, dtype=torch.float64)
    assert loss_of(law, 1, window, RolloutConfig(loss=loss)).item() < 1e-5
    assert loss_of(law, 1, window - 1, RolloutConfig(loss=loss)).item() > 0.9


def test_decay_and_growth_are_learned_as_parameters() -> None:
    law = MLP(2, 8, decay=0.1)
    learn_controls(law, ["decay"])
    window = window_for(law).float()
    (gradient,) = torch.autograd.grad(loss_of(law, 2, window), [law.get_parameter("decay")])
    assert gradient.abs() > 0
    lenia = Lenia(R=3)
    learn_controls(lenia, ["m", "s"])
    assert {name for name, _ in lenia.named_parameters()} == {"m", "s"}
    with pytest.raises(ConfigError, match='"fire_rate" has no gradient'):
        learn_controls(GrowingNCA(4, 4), ["fire_rate"])


def test_the_rollout_grows_from_first_to_last() -> None:
    how = ImitationConfig(steps=100, rollout=[1, 9], curriculum=0.5)
    assert [how.frames(step) for step in (0, 25, 50, 99)] == [2, 6, 10, 10]
