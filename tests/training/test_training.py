"""Trainings from recordings: results, resuming, interruption, divergence, and bad input."""

import math
import os
import signal
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from typer.testing import CliRunner

from aetheria import MLP, Aetheria_Motor, GrowingNCA, Life, Recorder, Recording
from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, DivergedError, StateError
from aetheria.laws import NeuralCA, build_law, registry
from aetheria.runs.config import load_config
from aetheria.runs.run import run
from aetheria.training import imitation, train_state
from aetheria.training.imitation import TrainResult, datasets, imitate
from aetheria.training.learner import clamp_control, learn_controls
from aetheria.training.report import empty_error
from aetheria.training.rollout import rollout_loss
from aetheria.training.trackers import open_trackers
from aetheria.training.train_config import ImitationConfig, TrainConfig, load_train_config
from aetheria.training.trainer import Trainer, TrainStatus, rate

EAGER = {"plan": "eager"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    growing = GrowingNCA(5, 8)
    nn.init.normal_(growing.update.weight, std=0.1)
    for name, law, d_state, settings in (
        ("life", Life(), 1, {"batch": 4}),
        ("mlp", MLP(1, 4, output_scale=0.3, decay=0.2, normalise="none"), 1, {"batch": 2}),
        ("growing", growing, 5, {"batch": 2, "initial": "noise"}),
    ):
        motor = Aetheria_Motor(law, 16, d_state, "cpu", EAGER, **settings)
        with Recorder(motor, folder / f"{name}.h5", fields=["cells"]):
            motor.step(12)
    return folder


def settings(runs: Path, **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "law": {"name": "NeuralCA", "values": "bits", "hidden_channels": 8},
        "data": {"recordings": [str(runs / "life.h5")], "validation": 0.25},
        "train": {"steps": 6, "batch": 4, "loss": "cross_entropy", "horizon": 3, "validate_every": 3, "rollout": [1, 2]},
    }
    for key, value in changes.items():
        table, _, name = key.partition("__")
        if name:
            values[table][name] = value
        else:
            values[table] = value
    return TrainConfig.checked(values, "")


def weights(folder: Path) -> dict[str, Tensor]:
    with safe_open(folder / "weights.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def test_the_results_of_a_training_run(runs: Path, tmp_path: Path) -> None:
    config = settings(runs, title="Life")
    learned = imitate(config, tmp_path / "out", trackers=[])
    assert learned.status == "done"
    assert learned.errors.shape == (3,)
    rows = (tmp_path / "out" / "errors.csv").read_text().splitlines()
    assert rows[0] == "step,mean_absolute_error"
    assert [float(row.split(",")[1]) for row in rows[1:]] == pytest.approx(list(learned.errors), rel=1e-4)
    with safe_open(tmp_path / "out" / "weights.safetensors", "pt") as file:
        assert file.metadata()["config"] == config.to_toml()
    with Image.open(tmp_path / "out" / "rollout.png") as strip:
        assert strip.width > strip.height > 2 * 16
    outcome = run(load_config(tmp_path / "out" / "run.toml", ["steps=3"]), tmp_path / "again.h5")
    assert outcome.status == "done"
    with Recording(tmp_path / "again.h5") as recording:
        assert set(np.unique(recording[-1]["channel_0"])) <= {0.0, 1.0}


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_a_resumed_training_ends_with_the_same_bits(runs: Path, tmp_path: Path, average: float) -> None:
    config = settings(runs, train__average=average, train__noise=0.01, data__symmetries=True, train__steps=8)
    imitate(config, tmp_path / "whole", trackers=[])

    def interrupt(status: TrainStatus) -> None:
        if status.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    first = imitate(config, tmp_path / "halves", trackers=[], progress=interrupt)
    assert (first.status, first.exit_code, first.step) == ("interrupted", 130, 4)
    assert not (tmp_path / "halves" / "weights.safetensors").exists()
    imitate(config, tmp_path / "halves", trackers=[], resume=True)
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "halves")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_micro_batches_give_the_gradients_of_the_batch(runs: Path, tmp_path: Path) -> None:
    for name, size in (("whole", None), ("pieces", 1)):
        imitate(settings(runs, train__micro_batch=size), tmp_path / name, trackers=[])
    for one, other in zip(weights(tmp_path / "whole").values(), weights(tmp_path / "pieces").values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_average_of_the_weights_is_the_result(runs: Path, tmp_path: Path) -> None:
    """After one step the average is a mean of the first weights and the trained, 1/10 to 9/10."""
    imitate(settings(runs, train__average=0.99, train__steps=1), tmp_path / "averaged", trackers=[])
    state = train_state.load(tmp_path / "averaged" / "last.pt", settings(runs, train__average=0.99, train__steps=1).to_toml())
    first = imitate_weights_at_start(runs)
    for name, mean in weights(tmp_path / "averaged").items():
        torch.testing.assert_close(mean, first[name] * 0.1 + state["law"][name] * 0.9)


def imitate_weights_at_start(runs: Path) -> dict[str, Tensor]:
    from aetheria.laws import build_law

    return build_law("NeuralCA", values="bits", hidden_channels=8).state_dict()


def test_a_decay_is_found_in_recordings_of_it(runs: Path, tmp_path: Path) -> None:
    """The recorded law lost a fifth of psi per step, and changed it a little besides."""
    config = settings(
        runs,
        law={"name": "MLP", "d_state": 1, "hidden_channels": 4, "normalise": "none", "decay": 0.05},
        data={"recordings": [str(runs / "mlp.h5")], "validation": 0.5, "symmetries": False},
        train={"steps": 120, "batch": 4, "learning_rate": 0.02, "warm_up": 5, "learn": ["decay"], "horizon": 3},
    )
    imitate(config, tmp_path / "out", trackers=[])
    found = load_config(tmp_path / "out" / "run.toml").law.parameters["decay"]
    assert found == pytest.approx(0.2, abs=0.1)
    assert "decay" not in weights(tmp_path / "out")


class Ours(nn.Module):
    """A module of a user's, that knows nothing of Aetheria."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")

    def forward(self, cells: Tensor) -> Tensor:
        changed: Tensor = cells + self.inner(cells)
        return changed


class Grows(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        return 1.2 * cells


def test_a_learned_control_stays_where_the_law_allows_it(runs: Path, tmp_path: Path) -> None:
    law = MLP(1, 4, decay=0.3)
    learn_controls(law, ["decay"])
    for value, kept in ((0.4, 0.4), (-0.2, 0.0), (1.5, 0.5)):
        nn.init.constant_(law.decay, value)  # type: ignore[arg-type]
        clamp_control(law, "decay")
        assert law.get_control("decay") == pytest.approx(kept)
    # It would go below 0: the recorded law loses less than nothing.
    motor = Aetheria_Motor(Grows(), 16, 2, "cpu", EAGER, batch=2)
    with Recorder(motor, tmp_path / "grows.h5", fields=["cells"]):
        motor.step(12)
    config = settings(
        runs,
        law={"name": "MLP", "d_state": 1, "hidden_channels": 4, "normalise": "none", "decay": 0.05},
        data={"recordings": [str(tmp_path / "grows.h5")], "validation": 0.5},
        train={"steps": 20, "batch": 4, "learning_rate": 0.02, "warm_up": 5, "learn": ["decay"], "horizon": 3},
    )
    imitate(config, tmp_path / "out", trackers=[])
    assert load_config(tmp_path / "out" / "run.toml").law.parameters["decay"] == 0


PSI = {"d_state": 1, "hidden_channels": 4, "normalise": "none", "output_scale": 0.1}


@pytest.mark.parametrize(
    ("law", "recorded"),
    [
        ({"name": "UNet", **PSI}, "mlp"),
        ({"name": "ConvLSTM", **PSI}, "mlp"),
        ({"name": "DEEP_QCA", **PSI}, "mlp"),
        ({"name": "MLP", **PSI}, "mlp"),
        ({"name": "GrowingNCA", "channels": 5, "hidden_channels": 8}, "growing"),
        ({"name": "Ours"}, "mlp"),
    ],
)
def test_every_law_learns_from_recordings(
    law: dict[str, Any], recorded: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda **_: [EntryPoint("Ours", f"{__name__}:Ours", registry.ENTRY_POINTS)])
    train = {"steps": 60, "batch": 8, "learning_rate": 0.01, "warm_up": 5, "rollout": [2, 2], "horizon": 3}
    data = {"recordings": [str(runs / f"{recorded}.h5")], "validation": 0.5}
    config = settings(runs, law=law, d_state=2 if law["name"] == "Ours" else None, data=data, train=train)
    told = Told()
    learned = imitate(config, tmp_path / "out", trackers=[told])
    losses = told.values["loss"]
    assert np.mean(losses[-5:]) < 0.7 * losses[0]
    assert learned.errors.shape == (3,)
    assert run(load_config(tmp_path / "out" / "run.toml", ["steps=3"]), tmp_path / "again.h5").status == "done"


def test_the_batch_that_fits_is_found_and_kept(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    loss_of = rollout_loss

    def counted(step: Any, law: Any, window: Tensor, *rest: Any) -> Tensor:
        sizes.append(len(window))
        if len(window) > 5:
            raise MemoryError
        return loss_of(step, law, window, *rest)

    monkeypatch.setattr(imitation, "rollout_loss", counted)
    config = settings(runs, train__batch="auto", train__steps=4)

    def interrupt(status: TrainStatus) -> None:
        if status.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    imitate(config, tmp_path / "out", trackers=[], progress=interrupt)
    assert sizes == [1, 2, 4, 8, 6, 5, 5, 5]  # tried, and trained with
    sizes.clear()
    imitate(config, tmp_path / "out", trackers=[], resume=True)
    assert sizes == [5, 5]
    for bad in (0, "all", 2.5):
        with pytest.raises(ConfigError, match=r"\[train\] batch: "):
            settings(runs, train__batch=bad)


class Told:
    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}
        self.pictures: list[tuple[int, ...]] = []
        self.histograms: list[str] = []
        self.closed = False

    def numbers(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def picture(self, step: int, name: str, pixels: NDArray[np.uint8]) -> None:
        self.pictures.append(pixels.shape)

    def histogram(self, step: int, name: str, values: Tensor) -> None:
        self.histograms.append(name)

    def close(self) -> None:
        self.closed = True


def test_a_tracker_gets_all_figures_and_is_closed(runs: Path, tmp_path: Path) -> None:
    told = Told()
    imitate(settings(runs), tmp_path / "out", trackers=[told])
    assert len(told.values["loss"]) == 6
    assert len(told.values["validation error"]) == 2
    resident = psutil.Process().memory_info().rss / 2**20
    assert all(0.5 * resident < peak < 8 * resident for peak in told.values["peak memory (MiB)"])
    assert all(len(shape) == 3 and shape[2] == 3 for shape in told.pictures)
    assert "gradient of kernel" in told.histograms
    assert told.closed


class Failing(Told):
    """Raises at every call of one method."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.calls = 0

        def fail(*_: object) -> None:
            self.calls += 1
            raise RuntimeError("no connection\nand more")

        setattr(self, method, fail)


@pytest.mark.parametrize("method", ["numbers", "picture", "histogram", "close"])
def test_a_tracker_that_raises_is_dropped_with_a_warning(method: str, runs: Path, tmp_path: Path) -> None:
    failing, told = Failing(method), Told()
    with pytest.warns(RuntimeWarning, match=r"^Failing is dropped, .*: RuntimeError: no connection$") as caught:
        assert imitate(settings(runs), tmp_path / "out", trackers=[failing, told]).status == "done"
    assert len(caught) == failing.calls == 1
    assert len(told.values["loss"]) == 6
    assert told.closed


def test_a_tensorboard_that_cannot_be_opened_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        raise AttributeError("module 'numpy' has no attribute 'bool8'")

    monkeypatch.setattr("aetheria.training.trackers.TensorBoard", broken)
    with pytest.warns(RuntimeWarning, match="TensorBoard is dropped"), open_trackers(None, tmp_path) as trackers:
        assert trackers == []


def test_tensorboard_is_the_default_tracker(runs: Path, tmp_path: Path) -> None:
    imitate(settings(runs), tmp_path / "out")
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("validation error")] == [3, 6]
    assert {"loss", "learning rate", "steps per second", "waited for data"} <= set(events.Tags()["scalars"])
    assert events.Images("recorded above, learned below")
    assert "gradient of kernel" in events.Tags()["histograms"]


def test_the_command_line_trains_and_names_the_next_command(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "learn.toml").write_text(settings(runs).to_toml())
    ended = CliRunner().invoke(app, ["train", str(tmp_path / "learn.toml"), "--out", str(tmp_path / "out")])
    assert ended.exit_code == 0, ended.output
    assert "of 1 recording of Life" in ended.output
    assert "mean error" in ended.output
    again = CliRunner().invoke(app, ["train", str(tmp_path / "learn.toml"), "--out", str(tmp_path / "out")])
    assert isinstance(again.exception, ConfigError)


def test_the_result_holds_the_law_of_the_files_ready_to_step(runs: Path, tmp_path: Path) -> None:
    learned = imitate(settings(runs), tmp_path / "out", trackers=[])
    built = build_law("NeuralCA", weights=tmp_path / "out/weights.safetensors")
    assert isinstance(learned.law, NeuralCA)
    assert isinstance(built, NeuralCA)
    assert (built.values, built.radius) == (learned.law.values, learned.law.radius)
    assert not learned.law.training
    ends = []
    for law in (learned.law, built):
        with Aetheria_Motor(law, (12, 12), 1, "cpu", {"plan": "eager"}, seed=4) as motor:
            motor.step(3)
            ends.append(motor.cells)
    assert torch.equal(*ends)


# -- errors that explode -----------------------------------------------------------------------------------------------


def errors_of(monkeypatch: pytest.MonkeyPatch, *errors: float) -> None:
    """Validations that find these errors, the last of them again and again."""
    found = iter(errors)
    last = errors[-1]
    monkeypatch.setattr("aetheria.training.report.horizon_errors", lambda *_: np.full(3, next(found, last)))


@pytest.mark.parametrize("killed_at", [1, 2, 3, 4, 5])
def test_a_training_that_is_killed_between_two_checkpoints_ends_with_the_same_weights(
    killed_at: int, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(runs, train__steps=9)
    errors = {3: 0.5, 6: 0.2, 9: 0.4}  # the best of three validations is the second
    monkeypatch.setattr("aetheria.training.trainer.Trainer._validate", _validating(Trainer._validate, errors))
    imitate(config, tmp_path / "whole", trackers=[])
    writes, save = [0], Trainer.save

    def die(trainer: Trainer, path: Path) -> None:
        writes[0] += 1
        if writes[0] == killed_at:
            raise MemoryError("killed here")
        save(trainer, path)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "save", die)
        with pytest.raises(MemoryError):
            imitate(config, tmp_path / "parted", trackers=[])
    begun = (tmp_path / "parted" / "last.pt").exists()
    imitate(config, tmp_path / "parted", resume=begun, overwrite=not begun, trackers=[])
    whole, parted = weights(tmp_path / "whole"), weights(tmp_path / "parted")
    assert all(torch.equal(tensor, parted[name]) for name, tensor in whole.items())


def _validating(validate: Any, errors: dict[int, float]) -> Any:
    return lambda trainer, _: validate(trainer, lambda _: errors[trainer.step])


@pytest.mark.parametrize("last", [1e16, 101.0, math.inf, math.nan])
def test_a_training_whose_error_explodes_has_diverged_and_its_result_is_the_best_before(
    last: float, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors_of(monkeypatch, 0.1, last)
    monkeypatch.setattr("aetheria.training.report.empty_error", lambda *_: 1.0)
    seen: list[TrainStatus] = []
    learned = imitate(settings(runs), tmp_path / "out", trackers=[], progress=seen.append)
    assert (learned.status, learned.exit_code, learned.step) == ("diverged", 4, 3)
    assert learned.last_error == pytest.approx(last, nan_ok=True)
    assert [status.error for status in seen] == pytest.approx([None, None, 0.1, 0.1, 0.1, last], nan_ok=True)
    best = torch.load(tmp_path / "out/best.pt", weights_only=True)
    assert best["error"] == pytest.approx(0.1)
    assert all(torch.equal(tensor, best["average"][name]) for name, tensor in weights(tmp_path / "out").items())


def test_large_errors_that_do_not_last_are_no_divergence(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws that grow a picture explode at first, long after the steps they are trained for."""
    errors_of(monkeypatch, math.inf, 99.0)
    monkeypatch.setattr("aetheria.training.report.empty_error", lambda *_: 1.0)
    learned = imitate(settings(runs), tmp_path / "out", trackers=[])
    assert (learned.status, learned.exit_code, learned.step) == ("done", 0, 6)


def test_the_error_of_empty_cells_is_their_density(runs: Path) -> None:
    _, held_out = datasets(settings(runs))
    with held_out:
        assert empty_error(held_out) == pytest.approx(
            float(torch.stack(list(map(held_out.__getitem__, range(len(held_out))))).mean()), rel=0.2
        )


def test_the_command_says_that_a_training_has_diverged_and_ends_with_code_4(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors_of(monkeypatch, 3.39e16)
    (tmp_path / "learn.toml").write_text(settings(runs).to_toml())
    ended = CliRunner().invoke(app, ["train", str(tmp_path / "learn.toml"), "--out", str(tmp_path / "out")])
    assert ended.exit_code == 4
    assert "diverged: the last error, 3.39e+16, is far above that of empty cells" in ended.output
    assert "done" not in ended.output
    assert "Next:" not in ended.output


def test_the_rate_rises_and_falls() -> None:
    how = ImitationConfig(steps=110, warm_up=10, final_rate=0.1)
    assert [rate(step, how) for step in (0, 4, 9)] == pytest.approx([0.1, 0.5, 1.0])
    assert rate(60, how) == pytest.approx(0.55)
    assert rate(110, how) == pytest.approx(0.1)


def test_it_ends_early_when_nothing_improves(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aetheria.training.report.horizon_errors", lambda *_: np.ones(3))
    learned = imitate(settings(runs, train__steps=50, train__patience=2, train__validate_every=2), tmp_path / "o", trackers=[])
    assert (learned.status, learned.step) == ("stopped early", 6)


class Sick(nn.Module):
    """NaN at chosen calls in train mode."""

    def __init__(self, calls: set[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.calls, self.count = calls, 0

    def forward(self, cells: Tensor) -> Tensor:
        self.count += self.training
        sick = self.training and self.count in self.calls
        return cells * (1 + self.weight) + (math.nan if sick else 0.0)


def sick(runs: Path, folder: Path, calls: set[int], monkeypatch: pytest.MonkeyPatch) -> TrainResult:
    monkeypatch.setattr("aetheria.training.learner.law_from_config", lambda *_: (Sick(calls), 1))
    return imitate(settings(runs, train__rollout=[1, 1], train__loss="squared", train__steps=9), folder, trackers=[])


def test_a_loss_of_nan_is_skipped(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sick(runs, tmp_path / "out", {2, 3, 5, 8}, monkeypatch).status == "done"
    assert all(value.isfinite().all() for value in weights(tmp_path / "out").values())


def test_three_losses_of_nan_end_the_training_and_keep_the_last_good_checkpoint(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DivergedError, match="3 times in a row, up to step 6"):
        sick(runs, tmp_path / "out", {5, 6, 7}, monkeypatch)
    state = torch.load(tmp_path / "out" / "last.pt", weights_only=True)
    assert state["step"] == 6  # the step whose loss was skipped left the weights as they were
    assert state["law"]["weight"].isfinite()


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_state.save({"config": "", "step": 1}, tmp_path / "last.pt")

    def full(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aetheria.training.train_state.torch.save", full)
    with pytest.raises(AetheriaError, match="disk may be full; the old file is kept"):
        train_state.save({"config": "", "step": 2}, tmp_path / "last.pt")
    assert train_state.load(tmp_path / "last.pt", "")["step"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


# -- bad input -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"law__channels": 2}, "NeuralCA has 2 channels; the recordings of Life have 1"),
        ({"data__recordings": ["nowhere/*.h5"]}, "no recording found"),
        ({"train__horizon": 40}, "needs 41 consecutive frames, and the longest segment has 13"),
        ({"data__crop": [4, 4]}, "after 2 steps of radius 1 none of its cells is known"),
        ({"train__conserve": {"density": 1.0}}, '"density" is a picture'),
        ({"train__conserve": {"coherence": 1.0}}, "no such field of this law"),
        ({"law": {"name": "Life"}}, "Life has no weights"),
        ({"train__learn": ["decay"]}, 'control: "decay" given; it has none'),
        ({"device": "cuda:77"}, "cuda:77"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    runs: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AetheriaError, match=message):
        imitate(settings(runs, **changes), tmp_path / "out", trackers=[])
    assert not list(tmp_path.glob("out/*.pt"))


def test_weights_that_do_not_fit_are_named(runs: Path, tmp_path: Path) -> None:
    torch.save({"kernel": torch.zeros(4, 1, 3, 3)}, tmp_path / "few.pt")
    with pytest.raises(AetheriaError, match=r"few\.pt: does not fit NeuralCA"):
        imitate(settings(runs, law__weights=str(tmp_path / "few.pt")), tmp_path / "out", trackers=[])


def test_a_training_is_not_overwritten_nor_resumed_by_accident(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="there is no training to resume"):
        imitate(settings(runs), tmp_path / "out", trackers=[], resume=True)
    imitate(settings(runs), tmp_path / "out", trackers=[])
    with pytest.raises(ConfigError, match="--resume continues it, --overwrite replaces it"):
        imitate(settings(runs), tmp_path / "out", trackers=[])
    with pytest.raises(StateError, match="other settings"):
        imitate(settings(runs, train__batch=2), tmp_path / "out", trackers=[], resume=True)
    imitate(settings(runs), tmp_path / "out", trackers=[], overwrite=True)


def test_a_config_is_read_with_its_recordings_beside_it(tmp_path: Path) -> None:
    (tmp_path / "learn.toml").write_text(
        '[law]\nname = "NeuralCA"\n[data]\nrecordings = ["runs/*.h5"]\n[train]\nsteps = 10\nrollout = [3, 2]\n'
    )
    config = load_train_config(tmp_path / "learn.toml", ["train.rollout=[2, 3]"])
    assert config.data.recordings == [str(tmp_path / "runs/*.h5")]
    assert config.train.rollout == [2, 3]
    with pytest.raises(ConfigError, match=r"\[train\] rollout: \[3, 2\] given"):
        load_train_config(tmp_path / "learn.toml")
    with pytest.raises(ConfigError, match=r"\[train\] stepz: unknown key"):
        load_train_config(tmp_path / "learn.toml", ["train.stepz=3"])


def test_no_thread_is_left_behind(runs: Path, tmp_path: Path) -> None:
    before = threading.active_count()
    imitate(settings(runs), tmp_path / "out", trackers=[])
    assert threading.active_count() == before
