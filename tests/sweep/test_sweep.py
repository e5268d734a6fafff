"""Sweeps: every point once, going on after a kill, failures in the table, and bad input."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from aetheria import Recording
from aetheria.cli import app
from aetheria.core.errors import AetheriaError, ConfigError, FileUnreadableError
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from aetheria.runs.signals import SignalHandler
from aetheria.sweep import load, point_run
from aetheria.sweep.executor import Finished
from aetheria.sweep.inline import InlineExecutor
from aetheria.sweep.points import points_of
from aetheria.sweep.results import ROWS, ResultFile, read_rows
from aetheria.sweep.sweep import sweep
from aetheria.sweep.sweep_config import load_sweep
from aetheria.sweep.sweeper import Sweeper, SweepProgress
from aetheria.sweep.task import Row, Task
from tests.sweep.small_sweeps import comparable, run_inline, small_sweep


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*lines: str, **changes: Any) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        with pytest.raises(AetheriaError) as caught:
            small_sweep(folder, **changes)
        for line in lines:
            assert line in str(caught.value)

    return check


def test_each_row_holds_the_observables_of_a_run_with_its_parameters(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path)
    table = run_inline(plan, tmp_path / "out")
    assert [(row["parameters"]["law.m"], row["seed"]) for row in table] == [
        (m, seed) for m in (0.12, 0.15, 0.2) for seed in (0, 1)
    ]
    values = plan.base | {"law": {**plan.base["law"], "m": 0.15}, "seed": 1}
    with build_motor(RunConfig.checked(values, ""), "cpu") as motor:
        masses = [float(motor.read("mass"))]
        for _ in range(3):
            motor.step(2)
            masses.append(float(motor.read("mass")))
    found = table[3]["observables"]["mass"]
    assert found == {"last": masses[-1], "mean": np.mean(masses), "min": min(masses), "max": max(masses)}
    assert table[3]["plan"] == "eager"
    assert table[3]["steps"] == 6


def test_samples_before_after_do_not_count_for_the_mean(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, measure={"observables": ["mass"], "every": 3, "after": 6}, seeds=1)
    for row in run_inline(plan, tmp_path / "out"):
        found = row["observables"]["mass"]
        assert found["last"] == found["mean"] == found["min"] == found["max"]


def test_a_sweep_that_was_ended_goes_on_and_runs_no_point_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, whole = small_sweep(tmp_path), tmp_path / "whole"
    expected = comparable(run_inline(plan, whole))
    out, ran = tmp_path / "out", list[int]()
    out.mkdir()
    lines = (whole / ROWS).read_bytes().splitlines(keepends=True)
    (out / ROWS).write_bytes(b"".join(lines[:3]) + lines[3][:40])  # as a kill leaves it: three rows, and a torn one
    once = point_run._run_points

    def counted(task: Task) -> list[Row]:
        ran.append(task.points[0].index)
        return once(task)

    monkeypatch.setattr(point_run, "_run_points", counted)
    assert comparable(run_inline(plan, out)) == expected
    assert ran == [3, 4, 5]
    assert comparable(load(out)) == expected


def test_a_failed_point_has_its_message_in_the_table_and_harms_no_other(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, grid={"law.m": [0.15, -1.0], "grid.width": [32, 8]}, seeds=1)
    table = run_inline(plan, tmp_path / "out")
    assert table.column("status") == ["done", "failed", "failed", "failed"]
    assert table[1]["error"] == "[law.lenia] grid 32 x 8: must be at least 11 on each side, the kernel's width"
    assert table[2]["error"] == "[law.lenia] m: -1.0 given; expected a finite number above 0"
    assert "at least 11" in (tmp_path / "out" / "results.csv").read_text()


def test_a_point_that_diverges_says_so(tmp_path: Path) -> None:
    law = {"name": "MLP", "d_state": 2, "normalise": "none", "norm": "none", "output_scale": 1e9}
    plan = small_sweep(tmp_path, grid={"motor.check_interval": [1]}, seeds=1)
    plan = replace(plan, base=plan.base | {"law": law})
    row = run_inline(plan, tmp_path / "out")[0]
    assert row["status"] == "diverged"
    assert "NaN or Inf" in row["error"]
    assert row["observables"]["centre_x"]["min"] is None
    assert set(read_rows(tmp_path / "out" / ROWS)[0]) >= {"plan", "torch", "steps"}


def test_failed_points_are_run_again_only_if_asked(tmp_path: Path) -> None:
    plan, out = small_sweep(tmp_path, grid={"law.m": [-1.0]}, seeds=1), tmp_path / "out"
    run_inline(plan, out)
    run_inline(plan, out)
    assert len(read_rows(out / ROWS)) == 1
    assert call("sweep", _sweep_file(tmp_path, m=[-1.0]), "--out", out, "--on", "inline", "--retry").exit_code == 1
    assert len(read_rows(out / ROWS)) == 2
    assert len(load(out)) == 1


class DyingExecutor(InlineExecutor):
    """An executor whose workers die at some tries of a task."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.deaths = deaths

    def finished(self, timeout: float) -> list[Finished]:
        if self.deaths and self._waiting:
            self.deaths -= 1
            return [Finished(self._waiting.pop().number, None, "killed by signal 9")]
        return super().finished(timeout)


@pytest.mark.parametrize("deaths", [1, 2])
def test_a_dead_worker_costs_its_task_one_retry(tmp_path: Path, deaths: int) -> None:
    plan = small_sweep(tmp_path)
    sweeper = Sweeper(plan, tmp_path / "out", DyingExecutor(deaths))
    with SignalHandler() as signals:
        table = sweeper.run(signals)
    sweeper.close()
    assert table.column("tries") == [2, 1, 1, 1, 1, 1]
    assert table.column("status") == ["done" if deaths == 1 else "failed", *["done"] * 5]
    assert (table[0]["error"] == "its worker died 2 times (killed by signal 9); --retry runs it again") is (deaths == 2)


def test_ctrl_c_ends_a_sweep_with_its_rows_and_the_command_goes_on(tmp_path: Path) -> None:
    plan, out, seen = small_sweep(tmp_path), tmp_path / "out", list[SweepProgress]()
    interrupted: list[int] = []

    def interrupt(now: SweepProgress) -> None:
        seen.append(now)
        if now.done == 2 and now.running == 0 and not interrupted:
            interrupted.append(now.done)
            os.kill(os.getpid(), signal.SIGINT)

    result = sweep(plan, out, on="inline", progress=interrupt)
    assert result.exit_code == 130
    assert len(result.table) == 2
    assert len((out / "results.csv").read_text().splitlines()) == 3
    assert len(run_inline(plan, out, progress=seen.append)) == 6
    assert (seen[-1].total, seen[-1].kept, seen[-1].done, seen[-1].failed) == (6, 2, 6, 0)


def test_two_sweeps_do_not_share_a_folder(tmp_path: Path) -> None:
    plan, out = small_sweep(tmp_path), tmp_path / "out"
    first = Sweeper(plan, out, InlineExecutor())
    with pytest.raises(ConfigError, match="another sweep is running in this folder"):
        run_inline(plan, out)
    first.close()
    run_inline(plan, out)


def test_a_changed_sweep_keeps_the_points_that_are_still_in_it(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_inline(small_sweep(tmp_path), out)
    table = run_inline(small_sweep(tmp_path, grid={"law.m": [0.3, 0.15]}), out)
    assert [row["parameters"]["law.m"] for row in table] == [0.3, 0.3, 0.15, 0.15]
    assert len(read_rows(out / ROWS)) == 8


def test_recordings_and_pictures_of_points_are_kept_if_asked(tmp_path: Path) -> None:
    table = run_inline(small_sweep(tmp_path, seeds=1, recordings=True, pictures=True), tmp_path / "out")
    with Recording(table.folder / table[0]["recording"]) as recording:
        assert list(recording.steps) == [0, 2, 4, 6]
    assert (table.folder / table[0]["picture"]).read_bytes().startswith(b"\x89PNG")


def test_rows_are_on_the_disk_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[int]()
    file = ResultFile(tmp_path / ROWS)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / ROWS).stat().st_size))
    row = {"key": "a", "index": 0, "parameters": {}, "seed": 0, "status": "done", "error": ""}
    for _ in range(3):
        file.append(row)
    file.close()
    length = len(json.dumps(row)) + 1
    assert synced == [length, 2 * length, 3 * length]


def test_damaged_rows_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / ROWS).write_text('{"key": "a", "index": 0, "parameters": {}}\n[]\n')
    with pytest.raises(FileUnreadableError, match="line 2 is not the result of a point"):
        load(tmp_path)


@pytest.mark.parametrize(
    "check",
    [
        refused("[grid] law.mm: no such setting of base.toml; did you mean law.m?", grid={"law.mm": [1]}),
        refused("[grid] heigth: no such setting", grid={"heigth": [1]}),
        refused("[set] record.evry: no such setting of base.toml; did you mean record.every?", set={"record.evry": 1}),
        refused("[grid] law.m: 0.15 given; expected a list of values, or a range as in", grid={"law.m": 0.15}),
        refused("[grid] law.m: 0 values", grid={"law.m": []}),
        refused("nothing varies; expected one of the tables [grid], [random], [search]", grid=None),
        refused("[measure] observables: missing", measure={}),
        refused("[measure] observable: unknown key; did you mean observables?", measure={"observable": ["mass"]}),
        refused("[config] seeds: 0 given; expected 1 or more", seeds=0),
        refused("[config] seeds: given, and seed is a parameter too", grid={"seed": [1, 2]}),
        refused("lenya: no such file, nor a shipped config", config="lenya"),
        refused("expected a step that leads from 0.1 to 0.2", grid={"law.m": {"from": 0.1, "to": 0.2, "step": -0.1}}),
        refused("expected from, to, and count or step", grid={"law.m": {"from": 0.1, "count": 3}}),
        refused("needs ends above 0", grid={"law.m": {"from": 0, "to": 1, "count": 3, "scale": "log"}}),
        refused("given twice", grid={"law.m": [1], "law": {"m": [2]}}),
    ],
)
def test_bad_sweeps_are_refused(check: Callable[[Path], None], tmp_path: Path) -> None:
    check(tmp_path)


def test_observables_that_no_run_has_are_told_in_the_table(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path, measure={"observables": ["masss"]}, seeds=1)
    assert "did you mean mass?" in run_inline(plan, tmp_path / "out")[0]["error"]
    plan = small_sweep(tmp_path, measure={"observables": ["channel_0"]}, seeds=1)
    assert "is a field of the grid" in run_inline(plan, tmp_path / "out")[0]["error"]


def _sweep_file(folder: Path, m: list[float]) -> Path:
    small_sweep(folder)
    file = folder / "sweep.toml"
    file.write_text(f'config = "base.toml"\n[grid]\nlaw.m = {m}\n[measure]\nobservables = ["mass", "centre_x"]\n')
    return file


def test_the_command_runs_shows_and_goes_on(tmp_path: Path) -> None:
    file, out = _sweep_file(tmp_path, [0.15, -1.0]), tmp_path / "out"
    result = call("sweep", file, "--out", out, "--on", "inline")
    assert result.exit_code == 0, result.output
    assert "1 point done, 1 failed" in result.output
    assert "failed: point 1: [law.lenia] m: -1.0 given" in result.output
    before = (out / ROWS).read_bytes()
    assert call("sweep", file, "--out", out, "--on", "inline").exit_code == 0
    assert (out / ROWS).read_bytes() == before
    for shown in (call("sweep", file, "--out", out, "--show"), call("sweep", out, "--show")):
        assert "mass_last" in shown.output
        assert "point 1 failed: [law.lenia] m: -1.0 given" in shown.output


def test_the_command_refuses_with_what_to_do(tmp_path: Path) -> None:
    file = _sweep_file(tmp_path, [0.15])
    for arguments, said in {
        (file, "--on", "rai"): "--on rai: unknown; did you mean ray?",
        (file, "--show", "--out", tmp_path / "none"): "holds no results of a sweep; run it first",
        (tmp_path / "base.toml",): "is the config of a run; `aetheria run` runs it",
        ("orbiun",): "no such file",
    }.items():
        result = call("sweep", *arguments)
        assert isinstance(result.exception, AetheriaError), result.output
        assert said in str(result.exception)


def test_a_task_survives_its_line_of_json(tmp_path: Path) -> None:
    plan = small_sweep(tmp_path)
    task = Task(7, tuple(points_of(plan, [{"law.m": 0.1}], 0)), "/x", ("mass",), 3, 0, True, False, 2, "cpu")
    assert Task.from_json(task.to_json()) == task


def test_load_sweep_reads_a_file_and_its_overrides(tmp_path: Path) -> None:
    plan, name = load_sweep(_sweep_file(tmp_path, [0.1]), ["seeds=3", "measure.every=4"])
    assert (name, plan.config.seeds, plan.config.measure.every) == ("sweep", 3, 4)


def test_a_bar_is_shown_while_it_runs_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = small_sweep(tmp_path, grid={"law.m": [0.12]}, seeds=1)
    run_inline(plan, tmp_path / "silent", progress=False)
    assert not capsys.readouterr().err
    run_inline(plan, tmp_path / "shown", progress=True)
    assert "1/1 0 failed" in capsys.readouterr().err
