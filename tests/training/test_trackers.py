"""Trackers by name: figures, pictures, and a tracker that fails."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.training import trackers
from aetheria.training.trackers import CSV, named_trackers, open_trackers


def track(one: Any) -> None:
    one.numbers(3, {"loss": 0.25})
    one.picture(3, "validation", np.zeros((2, 3, 3), np.uint8))
    one.histogram(3, "gradient", torch.tensor([1.0, 3.0]))


def test_csv_has_a_row_for_each_figure_and_goes_on_after_a_resume(tmp_path: Path) -> None:
    for _ in range(2):
        one = CSV(tmp_path / "csv")
        track(one)
        one.close()
    with (tmp_path / "csv" / "figures.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:4] == [
        ["step", "name", "value"],
        ["3", "loss", "0.25"],
        ["3", "gradient: mean", "2"],
        ["3", "gradient: standard deviation", "1"],
    ]
    assert rows[4:] == rows[1:4]
    with Image.open(tmp_path / "csv" / "step_000003.png") as image:
        assert image.size == (3, 2)


def test_wandb_gets_all_figures_and_waits_for_no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[Any] = []
    run = SimpleNamespace(log=lambda values, step: logged.append((step, values)), finish=lambda: logged.append("finished"))
    started: dict[str, Any] = {}
    fake = SimpleNamespace(
        api=SimpleNamespace(api_key=None),
        init=lambda **given: started.update(given) or run,
        Image=lambda pixels: ("image", pixels.shape),
        Histogram=lambda values: ("histogram", values.tolist()),
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with open_trackers(named_trackers(["wandb"], tmp_path / "life"), tmp_path) as (one,):
        track(one)
    assert (started["mode"], started["name"]) == ("offline", "life")
    assert logged == [
        (3, {"loss": 0.25}),
        (3, {"validation": ("image", (2, 3, 3))}),
        (3, {"gradient": ("histogram", [1.0, 3.0])}),
        "finished",
    ]


def test_a_tracker_that_cannot_be_opened_or_fails_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it raises ImportError
    with open_trackers(named_trackers(["wandb", "csv", "csv"], tmp_path), tmp_path) as (broken, good):
        with pytest.warns(RuntimeWarning, match="wandb is dropped, the training goes on without it"):
            track(broken)
        track(good)
    assert (tmp_path / "csv" / "figures.csv").exists()


def test_unknown_trackers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--track: tensorbord given; did you mean tensorboard"):
        named_trackers(["tensorbord"], tmp_path)


def test_every_named_tracker_is_an_option_of_the_command() -> None:
    from aetheria.cli.run_commands import TrackerName

    assert {name.value for name in TrackerName} == trackers.NAMED.keys()
