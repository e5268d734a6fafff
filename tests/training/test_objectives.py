"""Aetheria's own objectives: their samples, losses, figures and pictures; one short training each; bad input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.laws import NCA, build_law
from aetheria.laws.base import Law, as_law
from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor
from aetheria.training import TaskConfig, TaskResult, train_task
from aetheria.training.noise_schedule import denoised, noisy, signal_shares
from aetheria.training.objectives.arc_1d import COLOURS, Arc1D
from aetheria.training.objectives.cell_labels import Classify, Segment
from aetheria.training.objectives.diffuse import Diffuse
from aetheria.training.objectives.goals import Goals
from aetheria.training.objectives.restore import Restore, blurs
from aetheria.training.objectives.texture import Texture
from aetheria.training.objectives.untargeted import LOSSES, Untargeted
from aetheria.training.quantum_noise import with_flips
from aetheria.training.task_training import learner_and_task
from aetheria.training.train_config import load_training
from tests.paths import ROOT


def law(name: str = "NCA", **settings: Any) -> Law:
    return as_law(build_law(name, **({"channels": 4, "hidden_channels": 4} if name == "NCA" else {}) | settings))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def train(folder: Path, name: str, given: dict[str, Any], parameters: dict[str, Any], grid: list[int]) -> TaskResult:
    settings = {"objective": name, "steps": 2, "batch": 2, "rollout": [2, 3], "validate_every": 1, "validation": 3, "keep": 1}
    values = {"law": {"seed": 1} | given, "grid": {"shape": grid}, "objective": parameters, "train": settings}
    return train_task(TaskConfig.checked(values, ""), folder, trackers=[], device="cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures in two classes: a bright left, and a bright right half."""
    for number in range(12):
        pixels = np.full((8, 8), 20 + number, np.uint8)
        pixels[:, slice(0, 4) if number % 2 else slice(4, 8)] = 200
        folder = tmp_path / "pictures" / ("left" if number % 2 else "right")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return tmp_path / "pictures"


# -- rows --------------------------------------------------------------------------------------------------------------


def rows(kind: str) -> list[tuple[list[int], list[int]]]:
    task = Arc1D(law(channels=20, rank=1, preset="texture"), (16,), kind=kind)  # type: ignore[arg-type]
    first, wanted = task.batch(50, rng())
    assert first.shape == (50, 20, 16)
    assert torch.equal(first[:, -COLOURS:].sum(1), torch.ones(50, 16))
    return list(zip(first[:, -COLOURS:].argmax(1).tolist(), wanted.tolist(), strict=True))


@pytest.mark.parametrize("by", [1, 2, 3])
def test_blocks_move(by: int) -> None:
    for given, wanted in rows("move" if by == 1 else f"move_{by}"):
        assert wanted == [0] * by + given[:-by]
        assert not any(given[-by:])


def test_blocks_are_filled_hollowed_mirrored_and_flipped() -> None:
    for given, wanted in rows("fill"):
        ends = [place for place, colour in enumerate(given) if colour]
        assert all(wanted[place] == given[ends[0]] for place in range(ends[0], ends[-1] + 1))
        assert sum(map(bool, wanted)) == ends[-1] - ends[0] + 1
    assert all(wanted == given[::-1] for given, wanted in rows("mirror"))
    for given, wanted in rows("flip"):
        block = [colour for colour in given if colour]
        assert [colour for colour in wanted if colour] == block[::-1]
        assert block[0] != block[1]
    for given, wanted in rows("hollow"):
        assert 1 <= sum(map(bool, wanted)) <= 2 <= sum(map(bool, given))


def test_blocks_take_the_colour_of_the_mark_and_single_cells_vanish() -> None:
    for given, wanted in rows("recolour"):
        assert {colour for colour in wanted if colour} == {given[0]}
        assert list(map(bool, given)) == list(map(bool, wanted))
    changed = 0
    for given, wanted in rows("denoise"):
        changed += given != wanted
        for place in range(16):
            near = [given[at] for at in (place - 1, place + 1) if 0 <= at < 16]
            assert wanted[place] == (given[place] if any(near) else 0)
    assert changed > 25


def test_right_answers_have_no_loss_and_no_wrong_rows() -> None:
    task = Arc1D(law(channels=20, rank=1, preset="texture"), (16,))
    first, wanted = task.batch(4, rng())
    first[:, :COLOURS] = 50 * torch.nn.functional.one_hot(wanted, COLOURS).movedim(-1, 1)
    figures = task.figures(first, (first, wanted))
    assert (figures["rows wrong"], figures["cells wrong"]) == (0, 0)
    assert figures["loss"] < 1e-6
    first[0, :COLOURS] = 0
    assert task.figures(first, (first, wanted))["rows wrong"] == 0.25
    assert task.picture(first, (first, wanted)).shape == (4 * 4 * 8, 16 * 8, 3)


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_the_loss_of_a_texture_is_zero_for_itself_and_knows_no_place(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8)
    pixels[:, ::2] //= 4
    Image.fromarray(pixels).save(tmp_path / "texture.png")
    task = Texture(law(), (16, 16), path=str(tmp_path / "texture.png"), size=16, scales=2)
    cells = torch.cat((task.target[None], torch.ones(1, 1, 16, 16)), 1)
    batch = task.batch(1, rng())
    assert float(task.loss(cells, batch)) < 1e-9
    clear = torch.cat((task.target[None], torch.zeros(1, 1, 16, 16)), 1)
    assert float(task.loss(clear, batch)) == pytest.approx(1)  # shown as nothing but white
    unseen = Texture(
        law(channels=4, inputs=1, preset="texture"), (16, 16), path=str(tmp_path / "texture.png"), size=16, scales=2
    )
    assert float(unseen.loss(clear, batch)) < 1e-9
    shown = task.picture(cells, batch)
    assert np.array_equal(shown[:, :64], shown[:, 64:])  # the picture, and the sample
    assert float(task.loss(cells.roll((3, 6), (2, 3)), batch)) < 1e-6
    shuffled = cells.flatten(2)[:, :, torch.randperm(256, generator=rng())].view_as(cells)
    assert float(task.loss(shuffled, batch)) > 1e-3  # the same colours


def test_the_shipped_weave_comes_out_of_noise_and_stays() -> None:
    training = load_training(ROOT / "configs/training/texture.toml")
    assert isinstance(training, TaskConfig)
    _, task = learner_and_task(training)
    seed = torch.tensor([1])
    with build_motor(load_config("weave", ["grid.height=24", "grid.width=24"]), "cpu") as motor:
        noise = float(task.loss(motor.cells, (motor.cells, seed)))
        for steps in (200, 800):
            motor.step(steps)
            assert float(task.loss(motor.cells, (motor.cells, seed))) < 0.02 * noise
            assert float(motor.cells.abs().max()) < 2


def test_cells_are_told_their_goal_and_change_it_in_the_pool(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(np.full((4, 4, 3), 250 * number, np.uint8)).save(tmp_path / f"{number}.png")
    paths = [str(tmp_path / f"{number}.png") for number in range(2)]
    nca = law(channels=8, preset="conditional", inputs=2)
    task = Goals(nca, (6, 6), paths=paths, damaged=0.3, changed=0.7)
    cells, goals = task.batch(8, rng())
    assert torch.equal(cells[:, -2:].argmax(1).flatten(1).amax(1), goals)
    grown = cells + torch.nn.functional.pad(torch.ones(8, 6, 6, 6), (0, 0, 0, 0, 0, 2))
    kept = torch.tensor([True] * 4 + [False] * 4)
    reused, told = task.reuse((grown, goals), kept, rng(1))
    assert torch.equal(reused[:, -2:].argmax(1).flatten(1).amax(1), told)
    assert torch.equal(reused[4:], grown[4:])
    assert not torch.equal(reused[:4], grown[:4])
    perfect = torch.zeros(2, 8, 6, 6)
    perfect[:, :4] = task.targets
    assert task.figures(perfect, (perfect, torch.arange(2)))["worst error"] == 0
    assert task.picture(perfect, task.held_out(2, rng())).ndim == 3
    with pytest.raises(ConfigError, match="expected two or more, and at most the law's 2 inputs"):
        Goals(nca, (6, 6), paths=paths[:1])


def test_live_cells_alone_are_asked_for_the_class(pictures: Path) -> None:
    nca = NCA(8, 4, preset="self_classifying")
    task = Classify(nca, (8, 8), path=str(pictures))
    assert task.classes == 2
    cells, labels = task.batch(5, rng())
    assert torch.equal(labels == -100, cells[:, 0] <= 0.1)
    for picture, label in zip(cells, labels, strict=True):
        bright_left = bool(picture[0, :, 0].mean() > picture[0, :, 7].mean())
        assert set(label.unique().tolist()) - {-100} == {0 if bright_left else 1}
    right = cells.clone()
    right[:, -2:] = torch.nn.functional.one_hot(labels.clamp_min(0), 2).movedim(-1, 1)
    assert task.figures(right, (cells, labels))["cells right"] == 1
    assert task.picture(right, (cells, labels)).shape[2] == 3


def test_cells_are_asked_for_their_class_in_the_mask(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((6, 5, 7)).astype(np.float32)
    np.savez(tmp_path / "own.npz", images=images, masks=(images > 0.5).astype(np.uint8) + (images > 0.8))
    task = Segment(law(channels=6, preset="texture"), (5, 7), path=str(tmp_path / "own.npz"), classes=3)
    cells, labels = task.batch(4, rng())
    assert torch.equal(labels, (cells[:, 0] > 0.5).long() + (cells[:, 0] > 0.8).long())
    with pytest.raises(ConfigError, match=r"values from 0 to 2; expected classes 0 to 1"):
        Segment(law(channels=6), (5, 7), path=str(tmp_path / "own.npz"), classes=2).batch(4, rng())
    with pytest.raises(ConfigError, match="classes: None given"):
        Segment(law(channels=6), (5, 7), path=str(tmp_path / "own.npz"))


# -- noise -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["cosine", "linear"])
def test_a_perfect_denoiser_gets_the_picture_back(kind: Any) -> None:
    shares = signal_shares(50, kind)
    assert shares[0] == 1
    assert bool((shares.diff() < 0).all())
    assert shares[-1] < 1e-3
    clean = torch.rand(3, 1, 4, 4, generator=rng()) * 2 - 1
    start = torch.randn(3, 1, 4, 4, generator=rng(1))
    for sampler in ("ddim", "ddpm"):
        made = denoised(lambda *_: clean, start, shares, 10, sampler, rng())
        assert len(made) == 11
        torch.testing.assert_close(made[-1], clean)
    levels = torch.full((3,), 50)
    assert float((noisy(clean, levels, shares, start) - start).abs().max()) < 0.05


def test_ddpm_keeps_the_variance_of_pure_noise() -> None:
    """The best estimate of a picture of unit Gaussian noise is sqrt(share) times what is seen: each level has variance 1."""
    shares = signal_shares(40, "cosine")

    def best(now: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        return now * shares[levels].sqrt().to(now)[:, None, None, None]

    start = torch.randn(1, 1, 200, 200, generator=rng())
    for one in denoised(best, start, shares, 40, "ddpm", rng(1)):
        assert 0.93 < float(one.std()) < 1.03


def test_estimates_are_judged_against_the_clean_picture(pictures: Path) -> None:
    task = Diffuse(law(preset="texture"), (8, 8), path=str(pictures), levels=10, sampling_steps=5, law_steps=2)
    cells, clean = task.batch(4, rng())
    assert -1 <= float(clean.min()) < float(clean.max()) <= 1
    level = cells[:, -1, 0, 0] * 10
    assert torch.equal(level, level.round())
    perfect = cells.clone()
    perfect[:, :1] = clean
    assert task.figures(perfect, (cells, clean))["error"] == 0
    assert task.figures(cells, (cells, clean))["error of the noisy pictures"] > 0.01


# -- without a target --------------------------------------------------------------------------------------------------


def test_losses_without_a_target_know_what_they_are_named_for() -> None:
    blob = torch.zeros(1, 2, 9, 9)
    blob[0, 0, 3:6, 3:6] = 1
    away = blob.roll(4, 3)
    assert float(LOSSES["survival"](blob, blob)) == 0
    assert float(LOSSES["survival"](0 * blob, blob)) == 1
    assert float(LOSSES["symmetry"](blob, blob)) == 0
    assert float(LOSSES["symmetry"](away, blob)) == pytest.approx(0, abs=1e-6)  # wherever it is
    assert float(LOSSES["motion"](blob, blob)) == pytest.approx(1)
    assert float(LOSSES["motion"](away, blob)) == 0
    flat, point = torch.ones(1, 2, 9, 9), torch.zeros(1, 2, 9, 9)
    point[0, 0, 4, 4] = 1
    assert float(LOSSES["complexity"](flat, blob)) == pytest.approx(1, abs=1e-5)
    assert float(LOSSES["complexity"](point, blob)) == pytest.approx(1)
    assert float(LOSSES["complexity"](blob, blob)) < 0.01  # log 9 / log 81
    assert float(LOSSES["smoothness"](flat, blob)) == 0


@pytest.mark.parametrize("shape", [(7,), (6, 5), (4, 3, 5)])
def test_symmetry_is_the_distance_from_the_nearest_mirror_image(shape: tuple[int, ...]) -> None:
    cells = torch.rand(3, 2, *shape, generator=rng())
    seen = cells.square().sum(1).double().numpy()
    for found, one in zip(LOSSES["symmetry"](cells, cells), seen, strict=True):
        nearest = [
            min(((one - np.roll(np.flip(one, axis), by, axis)) ** 2).sum() for by in range(side)) / (one**2).sum()
            for axis, side in enumerate(shape)
        ]
        assert float(found) == pytest.approx(np.mean(nearest), rel=1e-4)


def test_flips_keep_the_norm_and_are_their_own_inverse() -> None:
    cells = torch.randn(2, 8, 3, 3, generator=rng())
    assert with_flips(cells, 0, 0, rng()) is cells
    phase = with_flips(cells, 1, 0, rng())
    assert torch.equal(phase[:, ::2], cells[:, ::2])
    assert torch.equal(phase[:, 1::2], -cells[:, 1::2])
    bit = with_flips(cells, 0, 1, rng())
    assert torch.equal(bit[:, ::2], cells[:, 1::2])
    assert torch.equal(with_flips(bit, 0, 1, rng()), cells)
    some = with_flips(cells, 0.5, 0.5, rng())
    torch.testing.assert_close(some.square().sum(1), cells.square().sum(1))
    assert not torch.equal(some, cells)


def test_noise_rises_with_the_training() -> None:
    task = Untargeted(law("DEEP_QCA", d_state=2), (6, 6), losses={"motion": 1.0}, bit_flip=1.0, curriculum=0.5)
    calm = task.batch(2, rng())[0]
    task.progress = 0.5
    wild = task.batch(2, rng())[0]
    assert torch.equal(wild[:, ::2], calm[:, 1::2])
    assert torch.equal(task.held_out(2, rng())[0], wild)
    spread = calm.square().sum(1).flatten(1)
    assert float(spread.max() / spread.mean()) > 3  # a patch


# -- mosaics -----------------------------------------------------------------------------------------------------------


def test_mosaics_lose_cells_and_get_noise() -> None:
    task = Restore(law(channels=6), (20, 30), pieces=5, noise=0.1, lost=0.3)
    first, wanted = task.batch(20, rng())
    assert all(2 <= len(one.flatten(1).unique(dim=1).T) <= 5 for one in wanted)
    kept = first[:, 3] == 1
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.02)
    assert not first.movedim(1, -1)[~kept].any()
    assert (first[:, 4:].movedim(1, -1)[kept] == 1).all()  # as cells of a picture are placed
    inner = kept[:, None] & (wanted[:, :3] > 0.3) & (wanted[:, :3] < 0.7)  # not cut to 0..1
    assert float((first[:, :3] - wanted[:, :3])[inner].std()) == pytest.approx(0.1, rel=0.05)
    assert float(task.loss(torch.cat((wanted, wanted[:, :2]), 1), (first, wanted))) == 0


def test_a_blur_keeps_the_mean_of_cells_that_are_not_lost() -> None:
    cells = torch.zeros(1, 4, 6, 8)
    cells[:, :, 2, 3] = torch.tensor([0.2, 0.4, 0.6, 1.0])
    cells[:, :, 2, 4] = torch.tensor([0.4, 0.4, 0.8, 1.0])
    widest = blurs(cells, 200)[-1]
    torch.testing.assert_close(widest, torch.tensor([0.3, 0.4, 0.7]).view(1, 3, 1, 1).expand(1, 3, 6, 8), rtol=1e-4, atol=0)


# -- all of them -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "parameters", "grid"),
    [
        ("arc_1d", {"name": "NCA", "preset": "arc_1d", "channels": 20, "hidden_channels": 4}, {"kind": "fill"}, [12]),
        ("classify", {"name": "UNet", "d_state": 4, "hidden_channels": 4}, {}, [8, 8]),
        ("segment", {"name": "NCA", "preset": "texture", "channels": 4, "hidden_channels": 4}, {"classes": 2}, [4, 4]),
        ("diffuse", {"name": "NCA", "preset": "diffusing", "channels": 4, "hidden_channels": 4}, {"sampler": "ddpm"}, [8, 8]),
        (
            "texture",
            {"name": "NCA", "preset": "texture", "channels": 4, "hidden_channels": 4},
            {"size": 8, "scales": 1},
            [8, 8],
        ),
        ("restore", {"name": "AttentionNCA", "channels": 5, "head_channels": 6, "rank": 3}, {"pieces": 3}, [4, 5, 6]),
        ("untargeted", {"name": "MLP", "d_state": 2}, {"losses": {"survival": 1.0}, "phase_flip": 0.1}, [8, 8]),
        ("untargeted", {"name": "ConvLSTM", "d_state": 2}, {"losses": {"motion": 1.0, "complexity": 0.5}}, [8, 8]),
    ],
)
def test_each_objective_trains(
    name: str, given: dict[str, Any], parameters: dict[str, Any], grid: list[int], pictures: Path, tmp_path: Path
) -> None:
    if name in ("classify", "segment", "diffuse"):
        parameters = parameters | {"path": str(pictures), "patches": name == "segment"}
    if name == "segment":
        parameters["masks_path"] = str(pictures)
        for path in pictures.rglob("*.png"):
            Image.fromarray(np.asarray(np.asarray(Image.open(path)) > 100, np.uint8) * 255).save(path)
    if name == "diffuse":
        parameters |= {"levels": 6, "sampling_steps": 3, "law_steps": 2}
    if name == "texture":
        parameters = parameters | {"path": str(next(pictures.rglob("*.png")))}
    found = train(tmp_path / "out", name, given, parameters, grid)
    assert found.status == "done"
    assert all(np.isfinite(list(found.figures.values())))
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"result.png", "weights.safetensors", "run.toml", "best"}


@pytest.mark.parametrize(
    ("task", "given", "grid", "parameters", "said"),
    [
        (Arc1D, {"channels": 8, "rank": 1}, (16,), {}, "needs 20 or more"),
        (Arc1D, {"channels": 20}, (16, 16), {}, "needs one axis of 8 cells"),
        (Texture, {"channels": 4, "rank": 1}, (16,), {"path": "x.png"}, "a texture needs three, on two axes"),
        (Texture, {}, (16, 16), {"path": "x.png", "scales": 3}, "and sides of 20"),
        (Classify, {}, (8, 8), {"path": "x.txt"}, "expected a folder of images"),
        (Diffuse, {}, (8, 8), {"path": "x", "levels": 3, "sampling_steps": 4}, "at most as many sampling steps"),
        (Restore, {"channels": 3, "preset": "texture"}, (8, 8), {}, "NCA of 3 channels; a picture needs four or more"),
        (Restore, {}, (8, 8), {"lost": 1.0}, "pieces 8, noise 0.2, lost 1.0: expected pieces >= 2"),
        (Untargeted, {}, (8, 8), {"losses": {"moton": 1.0}}, "did you mean motion"),
        (Untargeted, {}, (8, 8), {"losses": {}}, "losses: none given"),
        (Untargeted, {}, (8, 8), {"losses": {"motion": 1.0}, "bit_flip": 0.1}, "has no pairs of complex amplitudes"),
        (Untargeted, {}, (8, 8), {"losses": {"motion": 1.0}, "curriculum": 2.0}, "curriculum: 2.0 given; expected 0 to 1"),
    ],
)
def test_bad_parameters_are_refused(
    task: Any, given: dict[str, Any], grid: tuple[int, ...], parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        task(law(**given), grid, **parameters)
    assert said in str(error.value)
