"""Imported weights step as the programs they come from: each is written here as a plain loop over its own layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from typer.testing import CliRunner

from aetheria.cli import app
from aetheria.core.errors import ConfigError, LawError
from aetheria.laws import GrowingNCA, build_law
from aetheria.laws.neural.foreign_weights import import_growing_nca
from aetheria.laws.neural.nca_layout import LAYOUTS, Layout, find_layout
from aetheria.motor.motor import Aetheria_Motor
from tests.oracles import oracle

C, HIDDEN, HEIGHT, WIDTH, STEPS = 6, 9, 24, 31, 10
SOBEL = np.outer([1, 2, 1], [-1, 0, 1])  # rises along the last axis
Numbers = NDArray[np.float64]
Weights = dict[str, Tensor]


def weights(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Matrices (h, 3 C) and (C, h), and their biases, such that some cells live and some die."""
    generator = torch.Generator().manual_seed(seed)
    shapes = ((HIDDEN, 3 * C), (HIDDEN,), (C, HIDDEN), (C,))
    scales = (0.4, 0.1, 0.2, 0.03)
    first, second, third, fourth = (
        s * torch.randn(shape, generator=generator) for s, shape in zip(scales, shapes, strict=True)
    )
    return first, second, third, fourth - 0.05


def first_cells() -> Numbers:
    """(H, W, C): live cells in a part of the grid that touches an edge."""
    rng = np.random.default_rng(1)
    cells = np.zeros((HEIGHT, WIDTH, C))
    cells[0:6, 3:9] = rng.random((6, 6, C))
    return cells


def largest_around(values: Numbers, fill: float = -np.inf) -> Numbers:
    """The maximum over the 3 x 3 cells around each of (H, W), beyond the edge `fill`."""
    wide = np.pad(values, 1, constant_values=fill)
    return np.max([wide[y : y + HEIGHT, x : x + WIDTH] for y in range(3) for x in range(3)], 0)


def filtered(values: Numbers, kernel: Numbers, mode: str = "constant") -> Numbers:
    """Cross-correlation of (H, W) with a 3 x 3 kernel."""
    wide = np.pad(values, 1, mode=mode)  # type: ignore[call-overload]  # mode is one of the literals
    return np.asarray(sum(kernel[y, x] * wide[y : y + HEIGHT, x : x + WIDTH] for y in range(3) for x in range(3)))


def stepped(
    cells: Numbers, perceive: Callable[[Numbers], Numbers], given: tuple[Tensor, ...], alpha: int = 3, wrap: bool = False
) -> Numbers:
    """Ten steps of a loop over cells (H, W, C), in which every cell fires."""
    w1, b1, w2, b2 = (tensor.double().numpy() for tensor in given)
    around = (lambda a: largest_around(a, 0)) if not wrap else wrapped_around
    for _ in range(STEPS):
        before = around(cells[..., alpha]) > 0.1
        cells = cells + np.maximum(perceive(cells) @ w1.T + b1, 0) @ w2.T + b2
        cells = cells * (before & (around(cells[..., alpha]) > 0.1))[..., None]
    return cells


def wrapped_around(values: Numbers) -> Numbers:
    return np.max([np.roll(values, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], 0)


def each_channel(cells: Numbers, kernel: Numbers, mode: str = "constant") -> Numbers:
    return np.stack([filtered(cells[..., c], kernel, mode) for c in range(cells.shape[-1])], -1)


def of_ours(cells: Numbers) -> Numbers:
    dx, dy = SOBEL / 8, SOBEL.T / 8
    return np.concatenate([cells, each_channel(cells, dx, "wrap"), each_channel(cells, dy, "wrap")], -1)


def by_filter(cells: Numbers) -> Numbers:
    return np.concatenate([cells, each_channel(cells, SOBEL / 8), each_channel(cells, SOBEL.T / 8)], -1)


def transposed(cells: Numbers) -> Numbers:
    """The cells turned so that the width is the first axis; the filter of x then goes along the last one, the height."""
    turned = torch.from_numpy(cells)[None].transpose(1, 3)
    kernels = [torch.from_numpy(k / 8).view(1, 1, 3, 3).repeat(C, 1, 1, 1) for k in (SOBEL, SOBEL.T)]
    gradients = [F.conv2d(turned, kernel, padding=1, groups=C) for kernel in kernels]
    return np.asarray(torch.cat([turned, *gradients], 1).transpose(1, 3)[0])


def by_channel(cells: Numbers) -> Numbers:
    """One depthwise convolution with three outputs for each channel."""
    identity = np.zeros((3, 3))
    identity[1, 1] = 1
    kernels = torch.from_numpy(np.stack([identity, SOBEL / 8, SOBEL.T / 8] * C))[:, None]
    found = F.conv2d(torch.from_numpy(cells).permute(2, 0, 1)[None], kernels, padding=1, groups=C)
    return np.asarray(found[0].permute(1, 2, 0))


def unnormalised(cells: Numbers) -> Numbers:
    """Gradients first, down before left, both of the other sign and without a divisor."""
    return np.concatenate([each_channel(cells, -SOBEL.T), each_channel(cells, -SOBEL), cells], -1)


def plain(names: tuple[str, ...], given: tuple[Tensor, ...]) -> Weights:
    return dict(zip(names, given, strict=True))


def convolutions(names: tuple[str, ...], given: tuple[Tensor, ...]) -> Weights:
    return {name: t[:, :, None, None] if t.ndim == 2 else t for name, t in zip(names, given, strict=True)}


def inputs_first(given: tuple[Tensor, ...]) -> Weights:
    names = ("dmodel/conv2d/kernel:0", "dmodel/conv2d/bias:0", "dmodel/conv2d_1/kernel:0", "dmodel/conv2d_1/bias:0")
    return {name: t.T[None, None] if t.ndim == 2 else t for name, t in zip(names, given, strict=True)}


OURS = ("hidden.weight", "hidden.bias", "update.weight", "update.bias")
LINEAR = ("fc0.weight", "fc0.bias", "fc1.weight", "fc1.bias")
SEQUENCE = ("update_step.0.weight", "update_step.0.bias", "update_step.2.weight", "update_step.2.bias")
Case = tuple[str, dict[str, Any], Callable[[Numbers], Numbers], Callable[[tuple[Tensor, ...]], Weights]]
CASES: dict[str, Case] = {
    "aetheria": ("aetheria", {}, of_ours, lambda t: convolutions(OURS, t)),
    "by-filter": ("by-filter", {}, by_filter, lambda t: plain(LINEAR, t)),
    "chenmingxiang110": ("chenmingxiang110", {}, transposed, lambda t: plain(LINEAR, t)),
    "by-channel": ("by-channel", {}, by_channel, lambda t: convolutions(SEQUENCE, t)),
    "distill": ("distill", {}, by_channel, inputs_first),
    "changed": (
        "by-filter",
        {"filters": ["-y", "-x", "identity"], "sobel_divisor": 1.0},
        unnormalised,
        lambda t: convolutions(("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"), t),
    ),
}


def save(tensors: Weights, path: Path) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})  # type: ignore[arg-type]
    elif path.suffix == ".safetensors":
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    else:
        torch.save(tensors, path)
    return path


def run(law: GrowingNCA, order: Any, cells: Numbers) -> Numbers:
    """The same cells stepped by the law, in float64, every cell firing; in the other program's order of channels."""
    law.double().set_control("fire_rate", 1.0)
    start = torch.from_numpy(np.moveaxis(cells, -1, 0)[order].copy())[None]
    state: tuple[Tensor, ...] = (start, *law.initial_memory(start))
    for _ in range(STEPS):
        state = law(*state)
    back = np.empty_like(cells)
    back[..., order] = np.moveaxis(state[0][0].numpy(), 0, -1)
    return back


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "npz"])
@pytest.mark.parametrize("case", CASES)
def test_an_imported_law_steps_as_the_program_of_its_layout(case: str, suffix: str, tmp_path: Path) -> None:
    name, changes, perceive, stored = CASES[case]
    given = weights()
    path = save(stored(given), tmp_path / f"w.{suffix}")
    found = import_growing_nca(path, find_layout(name, changes))
    wanted = stepped(first_cells(), perceive, given, wrap=case == "aetheria")
    dead = (wanted == 0).all(-1)
    assert 5 < dead.sum() < dead.size - 5, "the alive mask decides nothing"
    assert 1 < abs(wanted).max() < 1e6
    difference = abs(run(found.law, found.channels, first_cells()) - wanted).max()
    assert difference < 1e-6 * abs(wanted).max()  # the law's filters are float32
    assert list(found.remarks) == []


@pytest.mark.parametrize("wrong", ["by-filter", "by-channel"])
def test_another_layout_of_the_same_shapes_is_another_law(wrong: str, tmp_path: Path) -> None:
    """Renaming alone does not do: the tests above would see a layout that is taken for another."""
    given = weights()
    path = save(plain(LINEAR, given), tmp_path / "w.pt")
    wanted = stepped(first_cells(), transposed, given)
    found = import_growing_nca(path, wrong)
    assert abs(run(found.law, found.channels, first_cells()) - wanted).max() > 0.1


@pytest.mark.parametrize(("case", "filters"), [("growing_2d", "identity, y, x"), ("growing_3d", "identity, z, y, x")])
def test_weights_of_cax_step_as_they_do_there(case: str, filters: str, tmp_path: Path) -> None:
    of = oracle("neural", case)
    names = ("w1", "b1", "w2", "b2", "kernel")
    path = save({name: torch.from_numpy(of.arrays[name]).float() for name in names}, tmp_path / "w.npz")
    found = import_growing_nca(path, find_layout("cax", {"filters": filters, "fire_rate": 1.0}))
    assert list(found.remarks) == ["kernel are perception kernels, as the layout says"]
    law = found.law.double()
    start = torch.from_numpy(np.moveaxis(of.arrays["input"], -1, 0)[found.channels])[None]
    with torch.no_grad():
        for state, expected in of.followed((start, *law.initial_memory(start)), lambda state: law(*state)):
            wanted = torch.from_numpy(np.moveaxis(expected, -1, 0)[found.channels])[None]
            torch.testing.assert_close(state[0], wanted, rtol=0, atol=1e-6 * float(wanted.abs().max()))


def test_the_imported_file_builds_the_law_with_all_its_parameters(tmp_path: Path) -> None:
    path = save(plain(LINEAR, weights()), tmp_path / "w.pt")
    found = import_growing_nca(path, find_layout("by-channel", {"fire_rate": 0.8, "edges": "reflect"}))
    found.save(tmp_path / "ours.safetensors")
    law = build_law("GrowingNCA", weights=tmp_path / "ours.safetensors")
    assert isinstance(law, GrowingNCA)
    assert (law.channels, law.fire_rate, law.boundary) == (C, 0.8, "reflect")
    for name, tensor in found.law.state_dict().items():
        assert torch.equal(law.state_dict()[name], tensor)
    with Aetheria_Motor(law, (8, 8), C, "cpu", {"plan": "eager"}, initial="seed") as motor:
        motor.step(2)


# -- what a file holds besides -----------------------------------------------------------------------------------------


def kernels_of(layout: Layout) -> Tensor:
    return torch.stack([layout.kernel(name) for _, name in layout.inputs(C)]).float()[:, None]


def test_perception_kernels_in_the_file_confirm_or_contradict_the_layout(tmp_path: Path) -> None:
    network = convolutions(SEQUENCE, weights())
    turned = find_layout("by-channel", {"filters": "identity, y, x"})
    path = save(network | {"perceive.weight": kernels_of(find_layout("by-channel"))}, tmp_path / "w.pt")
    with pytest.raises(LawError, match=r"perceive\.weight: kernel 1 is x with sobel_divisor 8; the layout says y"):
        import_growing_nca(path, turned)
    with pytest.raises(LawError, match=r"kernel 1 is x with sobel_divisor 8; the layout says identity"):
        import_growing_nca(path, "by-filter")
    with pytest.raises(LawError, match=r"kernel 1 is x with sobel_divisor 8; the layout says x with sobel_divisor 4"):
        import_growing_nca(path, find_layout("by-channel", {"sobel_divisor": 4.0}))


@pytest.mark.parametrize(
    ("name", "kernels", "said"),
    [
        ("sobel", torch.from_numpy(SOBEL / 8), ""),
        ("sobel_x", torch.from_numpy(SOBEL / 8).expand(C, 1, 3, 3), ""),
        ("sobel_x", torch.from_numpy(SOBEL / 4), "the first is x with sobel_divisor 4"),
        ("filters", torch.from_numpy(np.stack([SOBEL, SOBEL.T]) / 8), ""),
        ("filters", torch.from_numpy(np.stack([SOBEL.T, SOBEL]) / 8), "kernel 0 is y with sobel_divisor 8; the layout says x"),
        ("perceive.weight", torch.ones(3 * C, 1, 3, 3), "kernel 0 is none of identity and Sobel filters"),
        ("perceive.weight", torch.ones(48, C, 3, 3), "288 kernels, of which the first is none of identity"),
    ],
)
def test_kernels_of_any_number_are_compared(name: str, kernels: Tensor, said: str, tmp_path: Path) -> None:
    network = plain(LINEAR, weights())
    path = save(network | {name: kernels.float().contiguous()}, tmp_path / "w.pt")
    if said:
        with pytest.raises(LawError, match=said):
            import_growing_nca(path, "by-filter")
    else:
        assert list(import_growing_nca(path, "by-filter").remarks) == [f"{name} are perception kernels, as the layout says"]


def test_a_missing_bias_and_other_tensors_are_remarked(tmp_path: Path) -> None:
    network = plain(LINEAR, weights())
    del network["fc1.bias"]
    path = save(network | {"seed": torch.zeros(20, 20), "step": torch.tensor(3)}, tmp_path / "w.pt")
    found = import_growing_nca(path, "by-filter")
    assert list(found.remarks) == ["fc1.weight has no bias, which is taken as 0", "seed is left out", "step is left out"]
    assert not found.law.state_dict()["update.bias"].any()


def test_a_part_of_a_checkpoint_is_chosen_by_its_name(tmp_path: Path) -> None:
    older, newer = (plain(LINEAR, weights(seed)) for seed in (1, 2))
    for content in (
        {"model": older, "ema": newer, "epoch": 3},
        {f"model.{name}": t for name, t in older.items()} | {f"ema.{name}": t for name, t in newer.items()},
    ):
        torch.save(content, tmp_path / "w.pt")
        with pytest.raises(LawError, match=r"several pairs of layers: model\.fc0\.weight \+ model\.fc1\.weight, ema\.fc0"):
            import_growing_nca(tmp_path / "w.pt", "by-filter")
        found = import_growing_nca(tmp_path / "w.pt", "by-filter", part="ema")
        assert torch.equal(found.law.state_dict()["hidden.bias"], newer["fc0.bias"])
        with pytest.raises(LawError, match="found no matrices"):
            import_growing_nca(tmp_path / "w.pt", "by-filter", part="em")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda t: t | {"fc0.weight": torch.zeros(HIDDEN, 4 * C)}, r"no hidden layer \(h, 3 C\) .* found fc0.weight 9 x 24"),
        (lambda t: {n: x.T if x.ndim == 2 else x for n, x in t.items()}, 'with matrices "inputs first" there is one'),
        (lambda t: t | {"fc2.weight": torch.ones(C, C)}, "fc2.weight: a further layer"),
        (lambda t: t | {"fc1.bias": torch.ones(C + 1)}, "fc1.bias: 7 numbers; expected 6"),
        (lambda t: t | {"fc0.bias": torch.full((HIDDEN,), torch.nan)}, "hold NaN"),
        (lambda t: {"fc0.bias": t["fc0.bias"]}, "found no matrices"),
    ],
)
def test_other_networks_are_refused_by_name(spoil: Callable[[Weights], Weights], said: str, tmp_path: Path) -> None:
    path = save(spoil(plain(LINEAR, weights())), tmp_path / "w.pt")
    with pytest.raises(LawError, match=said) as caught:
        import_growing_nca(path, "by-filter")
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("destill", {}, "did you mean distill"),
        ("distill", {"divisor": 8}, "divisor: unknown key; did you mean sobel_divisor"),
        ("distill", {"filters": "identity, x"}, ""),
        (
            "distill",
            {"filters": "identity, x, x"},
            r"\[layout\] filters: identity, x, x given; expected each of identity, x, y once",
        ),
        ("distill", {"filters": "x, y"}, r"filters: x, y given; expected each of identity, x once"),
        ("distill", {"filters": "identity, x, -identity"}, "filters: identity, x, -identity given"),
        ("distill", {"sobel_divisor": 0.0}, "sobel_divisor: 0.0 given"),
        ("distill", {"edges": "torus"}, "edges: 'torus' given"),
    ],
)
def test_a_layout_is_checked(name: str, changes: dict[str, Any], said: str) -> None:
    if not said:
        assert find_layout(name, changes).rank == 1
        return
    with pytest.raises(ConfigError, match=said):
        find_layout(name, changes)


# -- the command -------------------------------------------------------------------------------------------------------


def test_the_command_writes_weights_that_a_run_takes(tmp_path: Path) -> None:
    path, target = save(plain(LINEAR, weights()), tmp_path / "w.pt"), tmp_path / "ours.safetensors"
    arguments = ["import-weights", str(path), "--out", str(target)]
    ended = CliRunner().invoke(
        app, [*arguments, "--layout", "by-filter", "--set", "filters=identity,y,x", "--set", "fire_rate=fast"]
    )
    assert isinstance(ended.exception, ConfigError)
    assert "[layout] fire_rate: 'fast' given" in str(ended.exception)
    ended = CliRunner().invoke(
        app, [*arguments, "--layout", "by-filter", "--set", "filters=identity,y,x", "--set", "fire_rate=0.9"]
    )
    assert ended.exit_code == 0, ended.output
    assert "GrowingNCA of 6 channels, 9 hidden, from layout by-filter" in ended.output
    law = build_law("GrowingNCA", weights=target)
    wanted = import_growing_nca(path, "chenmingxiang110").law
    assert isinstance(law, GrowingNCA)
    assert law.fire_rate == 0.9
    assert all(torch.equal(t, wanted.state_dict()[name]) for name, t in law.state_dict().items())
    again = CliRunner().invoke(app, [*arguments, "--layout", "by-filter"])
    assert isinstance(again.exception, ConfigError)


def test_the_command_wants_a_layout_and_names_those_it_knows(tmp_path: Path) -> None:
    path = save(plain(LINEAR, weights()), tmp_path / "w.pt")
    ended = CliRunner().invoke(app, ["import-weights", str(path), "--out", str(tmp_path / "o.safetensors")])
    assert isinstance(ended.exception, ConfigError)
    assert all(name in str(ended.exception) for name in LAYOUTS)
