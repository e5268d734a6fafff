"""The command line: `aetheria run | train | view | info | verify | repair | export | laws | bench | profile | doctor`.

torch and everything that needs it is imported inside the commands, so that --help answers at once.
"""

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from aetheria.cli.machine import bench, doctor, profile
from aetheria.cli.recordings import export, info, repair, verify
from aetheria.cli.shared import Force, err, out
from aetheria.core.errors import AetheriaError, ConfigError

if TYPE_CHECKING:
    from aetheria.runs.run import Outcome

app = typer.Typer(
    name="aetheria",
    help="Simulate cellular automata: neural and classic laws, on the GPU or CPU, recorded to HDF5.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 2 bad config or arguments, 3 disk full, 4 diverged, 5 unreadable input, "
    "6 came out otherwise or in part, 130 interrupted.",
)

_DONE = {"done": "[green]done[/]", "interrupted": "[yellow]interrupted[/]", "diverged": "[red]diverged[/]"}


@app.command()
def run(
    config: Annotated[
        str | None, typer.Argument(help="A TOML file, or the name of a shipped config, as in quickstart.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option("--resume", metavar="RECORDING.h5", help="Go on with this run, from its newest checkpoint.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="With --resume, where no checkpoint is left: make all frames again.")
    ] = False,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps to take, instead of the config's.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="The recording; runs/<config>.h5 by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing recording and picture.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless something goes wrong.")] = False,
    _force: Force = False,
) -> None:
    """Run a config to an HDF5 recording and a picture, with checkpoints beside it; or go on with such a run."""
    from aetheria.cli.progress import Show

    for name, given in {"CONFIG": config, "--set": set_, "--out": out_file, "--overwrite": overwrite}.items():
        if resume is not None and given:
            raise ConfigError(f"--resume: {name} given too; a run goes on by its own config and in its own file")
    if resume is None and (config is None or from_start):
        raise ConfigError("run: expected a CONFIG, or --resume RECORDING.h5" + (" with --from-start" if from_start else ""))
    show = Show(out, err, quiet)
    watched: dict[str, Any] = {"device": device, "started": show.started, "progress": show.progress}
    try:
        with show:
            if resume is not None:
                outcome = _resumed(resume, steps=steps, from_start=from_start, **watched)
            else:
                outcome = _run(str(config), set_, steps, out_file, overwrite=overwrite, **watched)
    except KeyboardInterrupt as error:
        err.print("interrupted before the first step; nothing was written")
        raise typer.Exit(getattr(error, "exit_code", 130)) from None
    _tell(outcome, quiet)
    raise typer.Exit(outcome.exit_code)


def _run(config: str, set_: list[str] | None, steps: int | None, out_file: Path | None, **options: Any) -> "Outcome":
    from aetheria.runs.config import find_config, load_config
    from aetheria.runs.run import run as run_config

    settings = load_config(config, [*(set_ or []), *([f"steps={steps}"] if steps else [])])
    target = out_file or Path("runs") / f"{find_config(config).stem}.h5"
    if target.suffix not in (".h5", ".hdf5"):
        raise ConfigError(f"--out {target}: expected a name that ends in .h5")
    return run_config(settings, target, make_folder=out_file is None, **options)


def _resumed(recording: Path, **options: Any) -> "Outcome":
    from aetheria.runs.resume import resume

    return resume(recording, **options)


def _tell(outcome: "Outcome", quiet: bool) -> None:
    us, file = escape(_how_called()), escape(str(outcome.recording))
    if outcome.message:
        err.print(f"{_DONE[outcome.status]}: {escape(outcome.message)}")
    if quiet:
        return
    out.print(
        f"{_DONE[outcome.status]} {outcome.steps:,} steps in {outcome.seconds:.1f} s, {outcome.frames:,} frames committed"
    )
    if outcome.waited_s > 0.1:
        out.print(f"  the motor waited {outcome.waited_s:.1f} s for the disk")
    out.print(f"  recording  {file}")
    if outcome.picture:
        out.print(f"  picture    {escape(str(outcome.picture))}")
    if outcome.status == "interrupted":
        out.print(f"Next: {us} run --resume {file}   |   {us} info {file}")
    else:
        out.print(f"Next: {us} info {file}   |   {us} export {file} --gif")


@app.command()
def train(
    config: Annotated[str, typer.Argument(help="A TOML file with \\[law], \\[train], and \\[data] or a \\[picture].")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="For the results; runs/<config> by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training in that folder.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew in a folder that holds a training.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing unless something goes wrong.")] = False,
) -> None:
    """Learn a law from recordings, or to grow a picture."""
    from aetheria.cli.progress import ShowTraining
    from aetheria.runs.config import find_config
    from aetheria.training.grow import GrowResult, grow
    from aetheria.training.imitation import TrainResult, imitate
    from aetheria.training.train_config import GrowConfig, load_training

    leads = os.environ.get("RANK", "0") == "0"  # of torchrun's processes the first talks
    quiet = quiet or not leads
    settings = load_training(config, set_)
    folder = out_folder or Path("runs") / find_config(config).stem
    how: dict[str, Any] = {"device": device, "resume": resume, "overwrite": overwrite}
    learned: TrainResult | GrowResult
    with ShowTraining(out, err, quiet) as show:
        if isinstance(settings, GrowConfig):
            learned = grow(settings, folder, started=show.growing, progress=show.progress, **how)
        else:
            learned = imitate(settings, folder, started=show.started, progress=show.progress, **how)
    name = escape(str(folder))
    if learned.exit_code:
        if leads:
            err.print(f"{_DONE['interrupted']} at step {learned.step:,}; go on with --resume")
        raise typer.Exit(learned.exit_code)
    if not quiet:
        out.print(f"[green]{learned.status}[/], {learned.step:,} steps are in the result")
        if isinstance(learned, GrowResult):
            grown = ", ".join(f"{error:.3g} at step {step}" for step, error in learned.errors.items() if step >= 64)
            out.print(f"  error       {grown}; {learned.healed:.3g} where half of it was lost 200 steps before")
            out.print(f"  results     {name}: weights.safetensors, run.toml, grown.png")
        else:
            marks = sorted({1, 2, 5, 10, 20, 50, 100, len(learned.errors)} & set(range(1, len(learned.errors) + 1)))
            out.print("  mean error  " + ", ".join(f"{learned.errors[step - 1]:.3g} after {step}" for step in marks))
            out.print(f"  results     {name}: weights.safetensors, run.toml, rollout.png, errors.csv")
        out.print(f"Next: {escape(_how_called())} run {name}/run.toml")


@app.command()
def view(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[CONFIG | RECORDING.h5]", help="What to open; without it, a gallery to choose from."),
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = None,
    _force: Force = False,
) -> None:
    """Open a window on a live simulation or a recording."""
    try:
        from viewer.__main__ import leave
        from viewer.__main__ import main as show
    except ImportError as error:
        raise ConfigError(f"view: the viewer needs PySide6 and pyqtgraph: pip install 'aetheria[viewer]' ({error})") from None
    leave(show(what, set_, device))


for command in (info, verify, repair, export):
    app.command()(command)


@app.command()
def laws() -> None:
    """List the laws, their parameters, radius and fields."""
    from aetheria.laws import LAWS, parameters, plugins

    for name, law in LAWS.items():
        out.print(f"[bold]{name}[/]  {escape((law.__doc__ or '').strip().splitlines()[0])}")
        shown = [f"{key}={p.default}" if p.default is not p.empty else key for key, p in parameters(law).items()]
        out.print(f"  parameters  {escape(', '.join(shown))}")
        out.print(f"  radius      {_radius(name)}")
        out.print(f"  fields      {', '.join(law.fields)} (shows {law.default_field})")
    for name, point in plugins().items():
        out.print(f"[bold]{escape(name)}[/]  registered by {escape(point.value)}")


def _radius(name: str) -> str:
    from aetheria.laws import LAWS, build_law, parameters

    needed: dict[str, Any] = {key: 1 for key, p in parameters(LAWS[name]).items() if p.default is p.empty}
    radius = getattr(build_law(name, **needed), "radius", None)
    if radius is not None:
        return f"{radius} cells"
    local = build_law(name, **needed, normalise="none")
    return f'{getattr(local, "radius", "?")} cells; with normalise="grid", the default, every cell matters'


app.command()(bench)
app.command()(profile)
app.command()(doctor)


def _how_called() -> str:
    """The name to call this program by from here: after `make run` it is not on the PATH."""
    return "aetheria" if shutil.which("aetheria") else sys.argv[0]


def _version(wanted: bool) -> None:
    if wanted:
        from aetheria.core.version import __version__

        out.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


def main() -> None:
    """Runs the command line; errors of ours end with their message and exit code, never with a traceback."""
    try:
        app()
    except AetheriaError as error:
        err.print(f"[red]error[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except OSError as error:  # of the system: pictures and films are written by libraries that know no AetheriaError
        err.print(f"[red]error[/] {escape(str(error))}")
        sys.exit(3 if error.errno == errno.ENOSPC else 5)
