"""Trainings for a task: objectives of one's own, results, pools, resuming, and bad input."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from aetheria.core.errors import ConfigError, StateError
from aetheria.runs.config import load_config
from aetheria.runs.run import build_motor
from aetheria.training import Task, TaskConfig, TaskResult, register_objective, task_registry, train_task
from aetheria.training.task import Batch, Figures
from aetheria.training.task_pool import SamplePool
from aetheria.training.train_config import load_training
from tests.cli.test_cli import call

LAW = {"name": "NCA", "preset": "texture", "channels": 4, "hidden_channels": 8, "seed": 3}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_registry, "_REGISTERED", {})


def config(**changes: Any) -> TaskConfig:
    train = {"objective": "own", "steps": 4, "batch": 2, "rollout": [2, 3], "validate_every": 2, "validation": 3, "warm_up": 0}
    values: dict[str, Any] = {"law": LAW, "grid": {"shape": [6, 5]}, "train": train | changes.pop("train", {})}
    return TaskConfig.checked(values | changes, "")


def dark(cells: Tensor, batch: Batch) -> Tensor:
    return cells.square().mean()


def trained(folder: Path, aim: Any = dark, resume: bool = False, **changes: Any) -> TaskResult:
    return train_task(config(**changes), folder, objective=aim, trackers=[], device="cpu", resume=resume)


def all_cells(cells: Tensor, batch: Batch) -> Tensor:
    return cells


def a_number(cells: Tensor, batch: Batch) -> float:
    return 0.5


class Bright(Task):
    """A mean value for the first channel."""

    def __init__(self, law: Any, grid: tuple[int, ...], /, *, level: float = 1.0) -> None:
        super().__init__(law, grid)
        self.level = level
        self.seen: list[float] = []

    def batch(self, size: int, rng: torch.Generator) -> Batch:
        self.seen.append(self.progress)
        return (*super().batch(size, rng), torch.full((size,), self.level))

    def loss(self, cells: Tensor, batch: Batch) -> Tensor:
        return (cells[:, 0].mean((1, 2)) - batch[1]).square().mean()

    def figures(self, cells: Tensor, batch: Batch) -> Figures:
        return {"distance": float(self.loss(cells, batch)) ** 0.5, "level": float(batch[1].mean())}

    def after_training(self, law: Any) -> Figures:
        return {"weights": float(sum(p.numel() for p in law.parameters()))}

    def picture(self, cells: Tensor, batch: Batch) -> NDArray[np.uint8]:
        return np.full((2, 3, 3), 7, np.uint8)


def test_a_function_is_an_objective_and_its_loss_falls(tmp_path: Path) -> None:
    before = trained(tmp_path / "one", train={"steps": 1, "validate_every": 1, "learning_rate": 1e-9})
    after = trained(tmp_path / "more", train={"steps": 30, "validate_every": 30, "learning_rate": 0.02})
    assert (after.status, after.exit_code, after.step) == ("done", 0, 30)
    assert after.figures["loss"] < 0.7 * before.figures["loss"]
    assert after.last_error == pytest.approx(after.figures["loss"])


def test_the_results_of_a_task_run(tmp_path: Path) -> None:
    found = trained(tmp_path / "out", Bright, objective={"level": 0.5})
    assert list(found.figures) == ["distance", "level", "weights"]
    assert found.figures["level"] == 0.5
    with Image.open(tmp_path / "out" / "result.png") as image:
        assert image.size == (3, 2)
    with build_motor(load_config(tmp_path / "out" / "run.toml"), "cpu") as motor:
        assert motor.shape == (1, 4, 6, 5)
        assert np.array_equal(motor.cells.numpy(), np.load(tmp_path / "out" / "start.npy"))
        motor.step(2)
        for one, other in zip(motor.law.parameters(), found.law.parameters(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("pool", [0, 5])
def test_an_interrupted_training_that_is_resumed_gives_the_same_weights(pool: int, tmp_path: Path) -> None:
    settings = {"steps": 6, "pool": pool, "average": 0.5, "learning_rate": 0.05}
    whole = trained(tmp_path / "whole", train=settings)

    def stop(cells: Tensor, batch: Batch) -> Tensor:
        calls.append(None)
        if len(calls) == 9:  # a batch, and a validation, have been computed after step 4
            raise KeyboardInterrupt
        return dark(cells, batch)

    calls: list[None] = []
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "parts", stop, train=settings)
    parts = trained(tmp_path / "parts", resume=True, train=settings)
    assert parts.figures == whole.figures
    assert all(torch.equal(a, b) for a, b in zip(parts.law.parameters(), whole.law.parameters(), strict=True))


def test_several_axes_laws_with_memory_and_laws_without_chance_are_trained(tmp_path: Path) -> None:
    laws: list[tuple[dict[str, Any], list[int]]] = [
        ({"name": "NCA", "rank": 1, "preset": "texture", "channels": 3, "hidden_channels": 4, "perception": ["identity"]}, [7]),
        ({"name": "LogicGates", "channels": 2, "rank": 3, "circuits": 1}, [3, 3, 3]),
        ({"name": "ConvLSTM", "d_state": 2}, [8, 8]),
        ({"name": "LearnedQCA"}, [8, 8]),
    ]
    for law, grid in laws:
        changes: dict[str, Any] = {
            "law": law,
            "grid": {"shape": grid},
            "train": {"steps": 1, "validate_every": 1, "checkpoint": 2},
        }
        assert trained(tmp_path / law["name"], **changes).status == "done"


def test_gradients_with_and_without_checkpoints_are_equal(tmp_path: Path) -> None:
    stored = trained(tmp_path / "stored", train={"rollout": [5, 5]})
    again = trained(tmp_path / "again", train={"rollout": [5, 5], "checkpoint": 2})
    for one, other in zip(stored.law.parameters(), again.law.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("rollout", "steps"), [(None, 3), (1, 1), (3, 3), (8, 8)])
def test_a_validation_is_rolled_out_as_far_as_the_config_says(rollout: int | None, steps: int, tmp_path: Path) -> None:
    class Counted(Bright):
        def __init__(self, law: Any, grid: tuple[int, ...], /) -> None:
            super().__init__(law, grid)
            torch.nn.init.ones_(law.update.bias)  # each step adds one

        def figures(self, cells: Tensor, batch: Batch) -> Figures:
            return {"steps": float((cells - batch[0]).mean())}

    still = {"steps": 1, "learning_rate": 1e-30, "validation_rollout": rollout}
    found = trained(tmp_path / "out", Counted, law=LAW | {"fire_rate": 1.0}, train=still)
    assert found.figures["steps"] == pytest.approx(steps)


def test_the_best_weights_are_kept_with_notes_and_pictures(tmp_path: Path) -> None:
    errors = iter([3.0, 1.0, 2.0, 4.0, 1.0])

    class Told(Bright):
        def figures(self, cells: Tensor, batch: Batch) -> Figures:
            error = next(errors, 9.0)
            if best.exists() and error < 9.0:
                (best / "step_000099.png").touch()  # as a kill leaves it before the weights are noted
            return {"told": error}

    best = tmp_path / "out" / "best"
    trained(tmp_path / "out", Told, train={"steps": 5, "validate_every": 1, "keep": 2})
    names = {"step_000002.png", "step_000002.safetensors", "step_000005.png", "step_000005.safetensors", "notes.csv"}
    assert {path.name for path in best.iterdir()} == names
    assert (best / "notes.csv").read_text().splitlines() == ["error,step,figures", "1.0,5,told 1", "1.0,2,told 1"]
    assert (best / "step_000002.safetensors").read_bytes() != (best / "step_000005.safetensors").read_bytes()


def test_a_new_training_forgets_the_best_weights_of_the_one_before(tmp_path: Path) -> None:
    trained(tmp_path / "out", train={"steps": 1, "validate_every": 1, "keep": 2})
    train_task(config(train={"steps": 1}), tmp_path / "out", objective=dark, trackers=[], device="cpu", overwrite=True)
    assert not (tmp_path / "out" / "best").exists()


def test_the_batch_is_found_by_trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    class Counted(Bright):
        def batch(self, size: int, rng: torch.Generator) -> Batch:
            tried.append(size)
            return super().batch(size, rng)

    def largest(probe: Any, room: int, most: int) -> int:
        probe(3)
        return 3

    monkeypatch.setattr("aetheria.training.setup.largest_batch", largest)
    trained(tmp_path / "out", Counted, train={"batch": "auto"})
    assert tried[:2] == [3, 3]


def test_a_pool_gives_back_cells_and_keeps_a_share_new() -> None:
    pool, rng = SamplePool(4, 4, 0.25), torch.Generator().manual_seed(0)
    new = (torch.zeros(4, 1, 2, 2), torch.arange(4.0))
    first, slots, _ = pool.draw(new, rng)
    assert all(torch.equal(a, b) for a, b in zip(first, new, strict=True))
    grown = torch.ones(4, 1, 2, 2)
    grown[0] = torch.nan
    pool.store(slots, first, grown)
    again, places, from_pool = pool.draw(new, rng)
    kept = again[0].flatten(1).amax(1)
    assert torch.equal(kept > 0, from_pool)
    assert not kept[0]  # the new one
    assert int(kept.sum()) == 4 - 1 - int(places[0] != slots[0])
    assert not again[0].isnan().any()
    other = SamplePool(4, 4, 0.25)
    other.load_state_dict(pool.state_dict())
    with pytest.raises(StateError, match="pool: 4 states given; expected 8"):
        SamplePool(8, 4, 0.25).load_state_dict(pool.state_dict())


def test_names_are_registered_and_found_among_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    register_objective("bright")(Bright)
    point = EntryPoint("dim", f"{__name__}:dark", task_registry.ENTRY_POINTS)
    monkeypatch.setattr(task_registry, "_plugins", lambda: {"dim": point})
    assert {"rule", "bright", "dim"} <= set(task_registry.objective_names())
    for name in ("bright", "dim"):
        assert trained(tmp_path / name, None, train={"objective": name, "steps": 1}).status == "done"


def test_the_command_line_trains_code_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_losses_of_a_test.py").write_text("def dark(cells, batch):\n    return cells.square().mean()\n")
    (tmp_path / "task.toml").write_text(
        '[law]\nname = "NCA"\npreset = "texture"\nchannels = 4\nhidden_channels = 8\n'
        "[grid]\nwidth = 4\nheight = 4\n[train]\nsteps = 1\n"
    )
    monkeypatch.chdir(tmp_path)
    found = call("train", "task.toml", "--objective", "own_losses_of_a_test:dark", "--track", "csv", "--device", "cpu")
    assert found.exit_code == 0, found.output
    assert "loss" in found.output
    assert "validation: loss" in (tmp_path / "runs" / "task" / "csv" / "figures.csv").read_text()
    named = call("train", "task.toml", "--set", "train.objective=own_losses_of_a_test:dark")
    assert named.exit_code
    assert "a config names no code" in str(named.exception)


@pytest.mark.parametrize(
    ("changes", "aim", "said"),
    [
        ({"train": {"objective": "rul"}}, None, 'objective: "rul" given; did you mean rule?'),
        ({"objective": {"levle": 1.0}}, Bright, "[objective] levle: unknown key"),
        ({"objective": {"level": "high"}}, Bright, "[objective] level: 'high' given"),
        ({"objective": {"level": 1.0}}, dark, "[objective] level: unknown key"),
        ({}, all_cells, "its loss is of shape"),
        ({}, a_number, "its loss is of float"),
        ({}, 7, "expected a subclass of Task"),
        ({"train": {"pool": 1}}, dark, "[train] pool: 1 given with batch 2"),
        ({"train": {"rollout": [3, 2]}}, dark, "[train] rollout: [3, 2] given"),
        ({"law": {"name": "Life"}}, dark, "Life has no weights"),
        ({"train": {"optimizer": "adamm"}}, dark, "[train] optimizer: 'adamm' given"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], aim: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        trained(tmp_path / "out", aim, **changes)
    assert said in str(error.value)


def test_a_file_with_an_objective_is_the_config_of_a_task(tmp_path: Path) -> None:
    text = (
        '[law]\nname = "NCA"\n[grid]\nwidth = 4\nheight = 4\n[objective]\npath = "a.png"\n[train]\nobjective = "x"\nsteps = 1\n'
    )
    (tmp_path / "task.toml").write_text(text)
    found = load_training(tmp_path / "task.toml")
    assert isinstance(found, TaskConfig)
    assert found.objective.parameters == {"path": str(tmp_path / "a.png")}
