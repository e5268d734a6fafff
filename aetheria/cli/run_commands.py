"""Commands that run a config and train a law."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetheria.cli.serving import Certificate, Host, Key, Port, ReadOnly, check_unserved, read_access, served
from aetheria.cli.shared import Device, Force, Overrides, Quiet, err, out, plain, program
from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.core.printable import counted
from aetheria.core.shell import shell_quoted

if TYPE_CHECKING:
    from aetheria.runs.config import RunConfig
    from aetheria.runs.run import RunResult
    from aetheria.training.grow import GrowResult
    from aetheria.training.imitation import TrainResult
    from aetheria.training.task_training import TaskResult

    AnyResult = TrainResult | GrowResult | TaskResult

_STATUS = {"done": "[green]done[/]", "interrupted": "[yellow]interrupted[/]", "diverged": "[red]diverged[/]"}


class TrackerName(StrEnum):
    """Receivers of a training's figures."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    CSV = "csv"


_SHOWN_STEPS = (1, 2, 5, 10, 20, 50, 100)  # of a rollout, whose errors are printed


def run(
    config: Annotated[
        str | None,
        typer.Argument(
            help="A TOML file, the name of a shipped config, as in quickstart, a pattern file, or a rule, as in 345/2/4.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RECORDING.h5", help="Resume this run from its newest checkpoint.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="With --resume, if there is no checkpoint: make all frames again.")
    ] = False,
    set_: Overrides = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps, instead of the config's.")] = None,
    grid: Annotated[str | None, typer.Option("--grid", help="For a rule or a pattern: height x width, as in 512x256.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="The recording; runs/<config>.h5 by default.")] = None,
    device: Device = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing recording and picture.")] = False,
    split: Annotated[
        str | None,
        typer.Option("--split", metavar="ROWSxCOLUMNS", help="Under torchrun: split the grid over the processes, as in 2x4."),
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Copy the recording of the same run, if it was made with --cache.")
    ] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show the run to browsers and to aetheria watch; see docs/remote.md.")
    ] = False,
    host: Host = None,
    port: Port = None,
    read_only: ReadOnly = False,
    tls_cert: Certificate = None,
    tls_key: Key = None,
    quiet: Quiet = False,
    _force: Force = False,
) -> None:
    """Run a config to an HDF5 recording and a picture, with checkpoints beside them; or resume such a run."""
    from aetheria.cli.progress import RunDisplay

    for name, given in {
        "CONFIG": config,
        "--set": set_,
        "--grid": grid,
        "--out": out_file,
        "--overwrite": overwrite,
        "--cache": cache,
    }.items():
        if resume is not None and given:
            raise ConfigError(f"--resume: {name} given too; a run is resumed with its own config and file")
    if resume is None and (config is None or from_start):
        raise ConfigError("run: expected a CONFIG, or --resume RECORDING.h5" + (" with --from-start" if from_start else ""))
    if not serve:
        check_unserved(host, port, read_only, tls_cert, tls_key)
    elif split is not None or cache:
        raise ConfigError(f"--serve: {'--split' if cache is False else '--cache'} given too; expected one or the other")
    access = read_access(host, port, read_only, tls_cert, tls_key) if serve else None
    display = RunDisplay(out, quiet)
    options: dict[str, Any] = {"device": device, "started": display.started, "progress": display.progress}

    def work(**mesh: Any) -> "RunResult":
        with served(access, options), display:
            if resume is not None:
                return _resume(resume, steps=steps, from_start=from_start, **options, **mesh)
            return _run(str(config), set_, steps, grid, out_file, cache=cache, overwrite=overwrite, **options, **mesh)

    try:
        result = work() if split is None else _on_split(split, device, work)
    except KeyboardInterrupt as error:
        err.print("interrupted before the first step; nothing was written")
        raise typer.Exit(getattr(error, "exit_code", 130)) from None
    _report_run(result, quiet)
    raise typer.Exit(result.exit_code)


def _on_split(split: str, device: str | None, work: "Callable[..., RunResult]") -> "RunResult":
    """Rank 0 works; the other processes follow until it has ended, and exit with its code."""
    from aetheria.runs.signals import Interrupted
    from aetheria.runs.split_run import follow, leads
    from aetheria.split.join import joined_mesh, shared_text
    from aetheria.split.mesh import check_split, read_split
    from aetheria.split.processes import first_to_tell, lost_processes_named

    try:
        sides = read_split(split)
        check_split(sides, 3)
    except ConfigError as error:  # the same in all processes
        if os.environ.get("RANK", "0") != "0":
            raise typer.Exit(error.exit_code) from None
        raise
    with joined_mesh(sides, device) as mesh:
        try:
            with lost_processes_named():
                if leads(mesh):
                    result = work(mesh=mesh)
                    with suppress(RuntimeError):  # a process that is lost now has nothing left to do
                        shared_text(str(result.exit_code))
                    return result
                follow(mesh, device)
                code = int(shared_text(None))
        except (AetheriaError, Interrupted) as error:
            if not first_to_tell(error):
                raise typer.Exit(error.exit_code) from None
            raise
    raise typer.Exit(code)


def _run(
    config: str, set_: list[str] | None, steps: int | None, grid: str | None, out_file: Path | None, cache: bool, **options: Any
) -> "RunResult":
    from aetheria.runs.cached_run import run_cached
    from aetheria.runs.run import run as run_config

    settings, name = _settings(config, set_, steps, grid)
    target = out_file or Path("runs") / f"{name}.h5"
    if target.suffix not in (".h5", ".hdf5"):
        raise ConfigError(f"--out {target}: expected a name that ends in .h5")
    return (run_cached if cache else run_config)(settings, target, make_folder=out_file is None, **options)


def _settings(given: str, set_: list[str] | None, steps: int | None, grid: str | None) -> "tuple[RunConfig, str]":
    """The config that is meant, and a name for its files."""
    from aetheria.runs.config import changed_config, find_config, is_config, load_config
    from aetheria.runs.short_config import read_grid, short_config

    if is_config(given):
        if grid:
            raise ConfigError(f"--grid {grid}: {given} is a config; use --set grid.height=... and --set grid.width=...")
        return load_config(given, [*(set_ or []), *([f"steps={steps}"] if steps else [])]), find_config(given).stem
    settings, name, note = short_config(given, read_grid(grid) if grid else None, steps)
    if note:
        err.print(plain(note))
    return changed_config(settings, set_), name


def _resume(recording: Path, **options: Any) -> "RunResult":
    from aetheria.runs.resume import resume

    return resume(recording, **options)


def _report_run(result: "RunResult", quiet: bool) -> None:
    command, file = plain(program()), plain(shell_quoted(result.recording))
    if result.message:
        err.print(f"{_STATUS[result.status]}: {plain(result.message)}")
    if quiet:
        return
    steps, frames = counted(result.steps, "step"), counted(result.frames, "frame")
    out.print(f"{_STATUS[result.status]} {steps} in {result.seconds:.1f} s, {frames} committed")
    if result.waited_s > 0.1:
        out.print(f"  the motor waited {result.waited_s:.1f} s for the disk")
    out.print(f"  recording  {plain(result.recording)}")
    if result.picture:
        out.print(f"  picture    {plain(result.picture)}")
    if result.status == "interrupted":
        out.print(f"Next: {command} run --resume {file}   |   {command} info {file}")
    else:
        out.print(f"Next: {command} info {file}   |   {command} export {file} --gif")


def train(
    config: Annotated[
        str,
        typer.Argument(
            help="A TOML file with \\[law], \\[train], and \\[data] or a \\[picture]. Or one with \\[train] objective."
        ),
    ],
    set_: Overrides = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="For the results; runs/<config> by default.")] = None,
    device: Device = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the training in that folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing training in that folder.")] = False,
    objective: Annotated[
        str | None, typer.Option("--objective", metavar="MODULE:NAME", help="Code of yours: a Task, or a loss (cells, batch).")
    ] = None,
    track: Annotated[
        list[TrackerName] | None,
        typer.Option("--track", help="Where the figures go; repeatable. TensorBoard, if installed, when left out."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Learn a law: from recordings, to grow a picture, or for an objective."""
    from aetheria.cli.progress import TrainingDisplay
    from aetheria.runs.config import find_config
    from aetheria.training.grow import grow
    from aetheria.training.imitation import imitate
    from aetheria.training.task_config import TaskConfig
    from aetheria.training.task_training import train_task
    from aetheria.training.trackers import named_trackers
    from aetheria.training.train_config import GrowConfig, load_training

    leads = os.environ.get("RANK", "0") == "0"  # the first of torchrun's processes prints
    quiet = quiet or not leads
    settings = load_training(config, [*(set_ or []), *([f"train.objective={objective}"] if objective else [])])
    folder = out_folder or Path("runs") / find_config(config).stem
    options: dict[str, Any] = {"device": device, "resume": resume, "overwrite": overwrite}
    if track and leads:
        options["trackers"] = named_trackers([name.value for name in track], folder)
    result: AnyResult
    with TrainingDisplay(out, quiet) as display:
        if isinstance(settings, GrowConfig):
            result = grow(settings, folder, started=display.growing, progress=display.progress, **options)
        elif isinstance(settings, TaskConfig):
            own = import_from_here(objective) if objective else None
            result = train_task(
                settings, folder, objective=own, started=display.doing(settings), progress=display.progress, **options
            )
        else:
            result = imitate(settings, folder, started=display.started, progress=display.progress, **options)
    if result.status == "interrupted":
        if leads:
            err.print(f"{_STATUS['interrupted']} at step {result.step:,}; --resume continues")
    elif leads:
        _report_training(result, folder, quiet)
    raise typer.Exit(result.exit_code)


def import_from_here(objective: str) -> Any:
    """Imports `module:name`, also of a module in the current folder."""
    from aetheria.training.task_registry import import_objective

    sys.path.insert(0, str(Path.cwd()))
    try:
        return import_objective(objective)
    finally:
        sys.path.remove(str(Path.cwd()))


def _report_training(result: "AnyResult", folder: Path, quiet: bool) -> None:
    from aetheria.training.grow import GrowResult
    from aetheria.training.task_training import TaskResult

    name, diverged = plain(folder), result.status == "diverged"
    if diverged:
        err.print(
            f"{_STATUS['diverged']}: the last error, {result.last_error:.3g}, is far above that of empty cells; train longer, "
            "with a lower learning_rate, or a shorter rollout"
        )
    if quiet:
        return
    if not diverged:
        out.print(f"[green]{result.status}[/]")
    out.print(f"the result has {result.step:,} steps of training")
    if isinstance(result, GrowResult):
        errors = ", ".join(f"{error:.3g} at step {step}" for step, error in result.errors.items() if step >= 64)
        out.print(f"  error       {errors}; {result.healed:.3g} at 200 steps after half of it was removed")
        out.print(f"  results     {name}: weights.safetensors, run.toml, grown.png")
    elif isinstance(result, TaskResult):
        for figure, value in result.figures.items():
            out.print(f"  {plain(figure)}  {value:.4g}")
        out.print(f"  results     {name}: weights.safetensors, run.toml, result.png")
    else:
        shown = sorted({*_SHOWN_STEPS, len(result.errors)} & set(range(1, len(result.errors) + 1)))
        out.print("  mean error  " + ", ".join(f"{result.errors[step - 1]:.3g} after {step}" for step in shown))
        out.print(f"  results     {name}: weights.safetensors, run.toml, rollout.png, errors.csv")
    if not diverged:
        out.print(f"Next: {plain(program())} run {plain(shell_quoted(folder / 'run.toml'))}")
