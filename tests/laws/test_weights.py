"""Weights from files: what fits is loaded, what does not is named, and no file runs code."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError, LawError
from aetheria.laws import MLP, GrowingNCA, build_law, load_weights
from tests.paths import ROOT

Tensors = dict[str, Tensor]
Save = Callable[[Tensors, Path], None]


def save_old(tensors: Tensors, path: Path) -> None:
    """In torch's form before 1.6."""
    torch.save(tensors, path, _use_new_zipfile_serialization=False)


def save_npz(tensors: Tensors, path: Path) -> None:
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})  # type: ignore[arg-type]  # by NumPy's stubs


SAVES: dict[str, Save] = {
    "w.safetensors": save_file,
    "w.pt": torch.save,
    "w.pth": torch.save,
    "old.pth": save_old,
    "w.npz": save_npz,
}


@pytest.fixture
def law() -> nn.Module:
    return build_law("MLP", seed=1, d_state=2, hidden_channels=4, output_scale=0.1)


def other_weights() -> Tensors:
    return build_law("MLP", seed=2, d_state=2, hidden_channels=4, output_scale=0.1).state_dict()


def loaded(law: nn.Module) -> Tensors:
    return {name: tensor.clone() for name, tensor in law.state_dict().items()}


@pytest.mark.parametrize("name", SAVES)
def test_weights_come_back_as_they_were_saved(name: str, law: nn.Module, tmp_path: Path) -> None:
    wanted = other_weights()
    SAVES[name](wanted, tmp_path / name)
    assert not torch.equal(loaded(law)["hidden.weight"], wanted["hidden.weight"])
    load_weights(law, tmp_path / name)
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in loaded(law).items())
    built = build_law("MLP", weights=tmp_path / name, d_state=2, hidden_channels=4)
    assert torch.equal(loaded(built)["hidden.weight"], wanted["hidden.weight"])


def test_a_1x1_convolution_may_be_stored_as_a_matrix_and_in_another_precision(tmp_path: Path) -> None:
    law = GrowingNCA(4, 5)
    matrix = torch.arange(60.0).reshape(5, 12)
    weights = {"hidden.weight": matrix.half(), "hidden.bias": torch.ones(5).double()}
    weights |= {"update.weight": torch.ones(4, 5), "update.bias": torch.zeros(4)}
    save_file(weights, tmp_path / "w.safetensors")
    load_weights(law, tmp_path / "w.safetensors")
    assert torch.equal(law.hidden.weight[:, :, 0, 0], matrix)
    assert law.hidden.weight.dtype == torch.float32


def without(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name != "hidden.bias"}


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without, "hidden.bias: missing"),
        (lambda t: t | {"extra.weight": torch.zeros(2)}, "extra.weight: not part of this law"),
        (lambda t: t | {"hidden.weight": torch.zeros(4, 5, 1, 1)}, "hidden.weight: shape (4, 5, 1, 1); expected (4, 4, 1, 1)"),
        (lambda t: t | {"perceive.weight": torch.zeros(4, 4)}, "perceive.weight: shape (4, 4); expected (4, 4, 3, 3)"),
        (lambda t: t | {"out.bias": torch.tensor([0.0, torch.nan, 0, 0])}, "out.bias: holds NaN or Inf"),
        (lambda t: t | {"out.bias": torch.tensor([0.0, 0, torch.inf, 0])}, "out.bias: holds NaN or Inf"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(
    spoil: Callable[[Tensors], Tensors], message: str, name: str, law: nn.Module, tmp_path: Path
) -> None:
    SAVES[name](spoil(other_weights()), tmp_path / name)
    before = loaded(law)
    with pytest.raises(LawError) as caught:
        load_weights(law, tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: does not fit MLP\n")
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [message]
    assert all(torch.equal(tensor, before[key]) for key, tensor in loaded(law).items())


def test_every_fault_is_named_at_once(law: nn.Module, tmp_path: Path) -> None:
    save_file({"stranger": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(LawError) as caught:
        load_weights(law, tmp_path / "w.safetensors")
    assert len(str(caught.value).splitlines()) == 1 + len(law.state_dict()) + 1


def test_a_missing_file_a_folder_and_an_unknown_kind_are_refused(law: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadableError, match="no such file"):
        load_weights(law, tmp_path / "none.safetensors")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(FileUnreadableError, match="is a folder; expected weights"):
        load_weights(law, tmp_path / "folder.pt")
    (tmp_path / "w.h5").touch()
    with pytest.raises(ConfigError, match=r"expected \.safetensors, \.pt, \.pth, \.ckpt, \.bin or \.npz"):
        load_weights(law, tmp_path / "w.h5")


@pytest.mark.parametrize("name", SAVES)
@pytest.mark.parametrize("damage", ["empty", "half", "text", "zeros"])
def test_a_corrupt_file_is_refused_with_its_name(name: str, damage: str, law: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / name
    SAVES[name](other_weights(), path)
    whole = path.read_bytes()
    path.write_bytes(
        {"empty": b"", "half": whole[: len(whole) // 2], "text": b"not weights\n" * 9, "zeros": bytes(500)}[damage]
    )
    with pytest.raises(FileUnreadableError, match="cannot be read as weights") as caught:
        load_weights(law, path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


# A torn pickle makes torch warn of what it thinks it found (protocols, odd classes); what counts is how it ends.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", SAVES)
def test_no_damage_to_a_file_ends_in_anything_but_a_clear_error(name: str, law: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / name
    SAVES[name](other_weights(), path)
    whole = path.read_bytes()
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for _ in range(150):
        torn = bytearray(whole)
        for at in torch.randint(0, 700, (3,), generator=generator).tolist():
            torn[at] ^= 0x15
        path.write_bytes(torn)
        try:
            load_weights(law, path)
        except AetheriaError:
            refused += 1
    assert refused > 50


class Malicious:
    """Runs a command where it is unpickled without care."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_never_runs(zipped: bool, law: nn.Module, tmp_path: Path) -> None:
    path, victim = tmp_path / "evil.pt", tmp_path / "it-ran"
    content = io.BytesIO()
    torch.save({**other_weights(), "bomb": Malicious(victim)}, content, _use_new_zipfile_serialization=zipped)
    path.write_bytes(content.getvalue())
    with pytest.raises(FileUnreadableError, match="cannot be read as weights"):
        load_weights(law, path)
    assert not victim.exists()
    # The bomb is live: read carelessly, it goes off.
    torch.load(path, weights_only=False)
    assert victim.exists()


def test_a_file_that_holds_no_state_dict_is_refused(law: nn.Module, tmp_path: Path) -> None:
    for content in (torch.zeros(3), [torch.zeros(3)], {"epoch": 3}, {"state_dict": list(other_weights().values())}):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(FileUnreadableError, match="expected a state dict"):
            load_weights(law, tmp_path / "w.pt")


def test_shipped_weights_are_of_the_law_that_they_say() -> None:
    shipped = sorted((ROOT / "configs/weights").glob("*.safetensors"))
    creatures = ["growing_nca_boat", "growing_nca_butterfly", "growing_nca_lizard"]
    others = ["logic_gates_life", "logic_gates_rule_90", "nca_weave"]
    assert [path.stem for path in shipped] == ["attention_nca_mosaics", *creatures, *others]
    by_name = {path.stem: path for path in shipped}
    for name in creatures:
        law = build_law("GrowingNCA", weights=by_name[name])
        assert isinstance(law, GrowingNCA)
        assert law.update.weight.any()
    for name in creatures[1:]:  # those of the default law
        load_weights(GrowingNCA(), by_name[name])


def test_weights_of_another_law_are_refused() -> None:
    path = ROOT / "configs/weights/growing_nca_lizard.safetensors"
    with pytest.raises(LawError, match=r"hidden\.weight: shape \(128, 48\); expected \(32, 32, 1, 1\)"):
        load_weights(MLP(8), path)
