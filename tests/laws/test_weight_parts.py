"""Weights as people keep them: checkpoints of several parts, names of wrapped modules, other types, no last bias."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from aetheria.core.errors import AetheriaError, FileUnreadableError, LawError
from aetheria.laws import GrowingNCA, build_law, load_weights
from aetheria.laws.weights import law_note

Tensors = dict[str, Tensor]
LAST = "update.bias"


def small() -> GrowingNCA:
    return GrowingNCA(4, 5)


def weights(seed: int = 0) -> Tensors:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(tensor.shape, generator=generator) for name, tensor in small().state_dict().items()}


def prefixed(prefix: str, seed: int = 0) -> Tensors:
    return {prefix + name: tensor for name, tensor in weights(seed).items()}


class Trained(nn.Module):
    """A module that has a law inside, as a trainer's."""

    def __init__(self) -> None:
        super().__init__()
        self.model = small()
        self.loss = nn.Linear(2, 2)


def in_lightning() -> Any:
    module = Trained()
    module.model.load_state_dict(weights())
    return {"epoch": 3, "state_dict": module.state_dict(), "hyper_parameters": {"lr": 0.1}, "optimizer_states": []}


def with_optimizer() -> Any:
    moments = {n: {"exp_avg": torch.zeros(tensor.shape)} for n, tensor in enumerate(weights().values())}
    optimizer = {"state": moments, "param_groups": [{"lr": 0.1, "params": [0, 1, 2, 3]}]}
    return {"model": weights(), "optimizer": optimizer, "step": torch.tensor(7), "loss": 0.25}


CHECKPOINTS: dict[str, Callable[[], Any]] = {
    "compiled": lambda: prefixed("_orig_mod."),
    "on several devices": lambda: prefixed("module."),
    "compiled, on several devices": lambda: prefixed("module._orig_mod."),
    "on several devices, compiled": lambda: prefixed("_orig_mod.module."),
    "compiled layers": lambda: {k.replace(".", "._orig_mod."): t for k, t in weights().items()},
    "sharded": lambda: prefixed("_fsdp_wrapped_module."),
    "averaged": lambda: {"n_averaged": torch.tensor(9), **prefixed("module.")},
    "state_dict": lambda: {"state_dict": weights(), "epoch": 3},
    "nested twice": lambda: {"state": {"net": prefixed("module.")}, "config": {"lr": 0.1}},
    "prefixed": lambda: prefixed("net."),
    "lightning": in_lightning,
    "with the optimizer": with_optimizer,
    "numbers beside": lambda: {**weights(), "epoch": 3, "note": "best"},
    "parameters": lambda: {name: nn.Parameter(tensor) for name, tensor in weights().items()},
    "two equal copies": lambda: {"law": weights(), "average": weights()},
    "one that fits": lambda: {"model": weights(), "teacher": GrowingNCA(4, 6).state_dict()},
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_the_part_of_a_checkpoint_that_fits_is_loaded(kind: str, old: bool, tmp_path: Path) -> None:
    torch.save(CHECKPOINTS[kind](), tmp_path / "w.pt", _use_new_zipfile_serialization=not old)
    law = small()
    load_weights(law, tmp_path / "w.pt")
    for name, tensor in weights().items():
        assert torch.equal(law.state_dict()[name], tensor), name


def test_of_parts_that_fit_and_differ_one_is_to_be_named(tmp_path: Path) -> None:
    torch.save({"model": weights(1), "ema": prefixed("module.", 2), "epoch": 3}, tmp_path / "w.pt")
    law = small()
    with pytest.raises(LawError, match="several parts fit GrowingNCA, and differ: model, ema; choose one") as caught:
        load_weights(law, tmp_path / "w.pt")
    assert len(str(caught.value).splitlines()) == 1
    load_weights(law, tmp_path / "w.pt", part="ema")
    assert torch.equal(law.state_dict()["hidden.bias"], weights(2)["hidden.bias"])
    with pytest.raises(LawError, match='part "last" given; expected one of model, ema'):
        load_weights(law, tmp_path / "w.pt", part="last")


def test_the_faults_are_those_of_the_part_that_fits_best(tmp_path: Path) -> None:
    nearly = {**weights(), "hidden.bias": torch.zeros(6)}
    torch.save({"model": nearly, "head": {"weight": torch.zeros(3, 3)}}, tmp_path / "w.pt")
    with pytest.raises(LawError) as caught:
        load_weights(small(), tmp_path / "w.pt")
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'w.pt'}: does not fit GrowingNCA in its part model",
        "  hidden.bias: shape (6,); expected (5,)",
    ]


def test_a_last_layer_without_bias_has_a_bias_of_zero_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save({name: tensor for name, tensor in weights().items() if name != LAST}, tmp_path / "w.pt")
    law = small()
    nn.init.ones_(law.update.bias)  # type: ignore[arg-type]  # it has one
    with caplog.at_level(logging.WARNING, "aetheria"):
        load_weights(law, tmp_path / "w.pt")
    assert not law.state_dict()[LAST].any()
    assert torch.equal(law.update.weight, weights()["update.weight"])
    assert caplog.messages == [f"{tmp_path / 'w.pt'}: has no update.bias, which is taken as 0"]


@pytest.mark.parametrize("missing", ["hidden.bias", "update.weight", "hidden.weight"])
def test_nothing_else_that_is_missing_is_taken_as_zero(missing: str, tmp_path: Path) -> None:
    torch.save({name: tensor for name, tensor in weights().items() if name not in (missing, LAST)}, tmp_path / "w.pt")
    with pytest.raises(LawError, match=f"{missing}: missing"):
        load_weights(small(), tmp_path / "w.pt")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.int8])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_of_other_types_become_float32(dtype: torch.dtype, suffix: str, tmp_path: Path) -> None:
    rounded = {name: (4 * tensor).round().to(dtype) for name, tensor in weights().items()}
    save_file(rounded, tmp_path / "w.safetensors") if suffix == "safetensors" else torch.save(rounded, tmp_path / "w.pt")
    law = small()
    load_weights(law, tmp_path / f"w.{suffix}")
    assert all(torch.equal(tensor, rounded[name].float()) for name, tensor in law.state_dict().items())
    assert law.hidden.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (torch.full((5,), 1e300, dtype=torch.float64), "numbers beyond the range of float32"),
        (torch.full((5,), torch.nan, dtype=torch.float16), "holds NaN or Inf"),
        (torch.zeros(5, dtype=torch.complex64), "complex numbers; expected real ones"),
    ],
)
def test_numbers_that_the_law_cannot_hold_are_refused(spoilt: Tensor, said: str, tmp_path: Path) -> None:
    torch.save({**weights(), "hidden.bias": spoilt}, tmp_path / "w.pt")
    with pytest.raises(LawError, match=f"hidden.bias: {said}"):
        load_weights(small(), tmp_path / "w.pt")


def test_a_name_in_a_file_does_not_reach_the_terminal_as_a_command(tmp_path: Path) -> None:
    torch.save({**weights(), "\x1b[2Jhidden\nname": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(LawError, match=r"\?\[2Jhidden\?name: not part of this law") as caught:
        load_weights(small(), tmp_path / "w.pt")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize(("content", "named"), [(small, "GrowingNCA"), (lambda: {"net": nn.Linear(2, 2)}, "linear.Linear")])
def test_a_pickled_module_is_refused_in_one_plain_line(
    content: Callable[[], Any], named: str, old: bool, tmp_path: Path
) -> None:
    torch.save(content(), tmp_path / "w.pt", _use_new_zipfile_serialization=not old)
    with pytest.raises(FileUnreadableError, match=rf"Python objects \([\w.]+{named}\)") as caught:
        load_weights(small(), tmp_path / "w.pt")
    said = str(caught.value)
    assert said.isprintable()
    assert said.startswith(f"{tmp_path / 'w.pt'}: cannot be read as weights; it holds")
    assert said.endswith("save the tensors alone, with torch.save(module.state_dict(), path)")


# -- the law's parameters ----------------------------------------------------------------------------------------------


def saved(path: Path, notes: dict[str, str], law: nn.Module) -> Path:
    save_file(law.state_dict(), path, notes)
    return path


def test_a_law_is_built_with_the_parameters_that_its_file_of_weights_states(tmp_path: Path) -> None:
    parameters = {"channels": 5, "hidden_channels": 7, "fire_rate": 0.75, "boundary": "zero"}
    path = saved(tmp_path / "w.safetensors", law_note("GrowingNCA", parameters), GrowingNCA(5, 7))
    law = build_law("growingnca", weights=path)
    assert isinstance(law, GrowingNCA)
    assert (law.channels, law.fire_rate, law.boundary) == (5, 0.75, "zero")
    given = build_law("GrowingNCA", weights=path, fire_rate=0.25)
    assert (given.fire_rate, given.boundary) == (0.25, "zero")


def test_an_earlier_training_left_its_config_in_the_file(tmp_path: Path) -> None:
    config = '[law]\nname = "MLP"\nd_state = 3\nhidden_channels = 6\ndecay = 0.2\nseed = 4\n[train]\nlearn = ["decay"]\n'
    path = saved(tmp_path / "w.safetensors", {"config": config}, build_law("MLP", d_state=3, hidden_channels=6))
    law = build_law("MLP", weights=path)
    assert law.d_state == 3
    assert law.decay == 0, "what was learned is not in [law], whose number is that of the beginning"


@pytest.mark.parametrize(
    "notes",
    [
        {"config": "no TOML ["},
        {"config": '{"model": "of another program"}'},
        {"config": 'law = "GrowingNCA"'},
        {"law": "[1, 2]"},
        {"law": "{"},
        {"law": '{"name": "MLP", "d_state": 3}'},
        {"law": '{"channels": 9}'},
        {"format": "pt"},
    ],
)
def test_other_texts_in_a_file_of_weights_are_ignored(notes: dict[str, str], tmp_path: Path) -> None:
    path = saved(tmp_path / "w.safetensors", notes, GrowingNCA(4, 5))
    build_law("GrowingNCA", weights=path, channels=4, hidden_channels=5)


def test_what_a_file_states_is_checked_as_what_a_config_states(tmp_path: Path) -> None:
    for stated, said in (({"depth": 3}, "depth: unknown key"), ({"channels": "many"}, "channels: 'many' given")):
        path = saved(tmp_path / "w.safetensors", law_note("GrowingNCA", stated), GrowingNCA(4, 5))
        with pytest.raises(AetheriaError, match=said) as caught:
            build_law("GrowingNCA", weights=path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "stated", [{"hidden_channels": 10**13}, {"channels": 20_000, "hidden_channels": 30_000}, {"hidden_channels": 10**6}]
)
def test_a_file_that_states_a_law_far_larger_than_itself_is_refused_before_that_is_built(
    stated: dict[str, int], tmp_path: Path
) -> None:
    path = saved(tmp_path / "w.safetensors", law_note("GrowingNCA", stated), GrowingNCA(4, 5))
    before = psutil.Process().memory_info().rss
    with pytest.raises(AetheriaError, match=r"far larger than its weights|out of memory"):
        build_law("GrowingNCA", weights=path)
    assert psutil.Process().memory_info().rss - before < 2**28
