"""Commands that measure this machine: bench, profile and doctor."""

import os
from pathlib import Path
from typing import Annotated

import typer

from aetheria.cli.shared import Device, Force, Overrides, out, plain
from aetheria.core.errors import ConfigError


def bench(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped config, as in quickstart.")],
    set_: Overrides = None,
    seconds: Annotated[float, typer.Option(help="Time to measure for, approximately.")] = 2.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps to time, instead of --seconds.")] = None,
    device: Device = None,
    _force: Force = False,
) -> None:
    """Measure the stepping rate of a config, and compare it with the limits of this machine."""
    from aetheria.diagnostics.bench import bench as measure
    from aetheria.diagnostics.bench import describe
    from aetheria.runs.config import load_config

    report = measure(load_config(config, set_), device=device, seconds=seconds, steps=steps)
    for key, value in describe(report).items():
        out.print(f"[bold]{key:12}[/]{plain(value)}")


def profile(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped config, as in quickstart.")],
    set_: Overrides = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Number of steps to profile; about 0.3 s of them by default.")
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="The trace file; runs/<config>-trace.json by default.")] = None,
    device: Device = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing trace.")] = False,
) -> None:
    """Profile a run or a training: time and memory by stage and by operator, and a Chrome trace."""
    # Before torch is imported, or its profiler prints debug messages.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from aetheria.diagnostics.bench import describe
    from aetheria.diagnostics.profile_run import profile_run, tables
    from aetheria.diagnostics.profile_training import profile_training
    from aetheria.files.atomic import check_output
    from aetheria.runs.config import RunConfig, find_config, load_config, read_settings
    from aetheria.training.train_config import load_training

    path = find_config(config)
    target = trace or Path("runs") / f"{path.stem}-trace.json"
    if target.suffix != ".json":
        raise ConfigError(f"--trace {target}: expected a name that ends in .json")
    check_output(target, overwrite, make_folder=trace is None)
    settings = load_training(config, set_) if "train" in read_settings(path, set_) else load_config(config, set_)
    if trace is None:
        target.parent.mkdir(exist_ok=True)
    summary: dict[str, str]
    if isinstance(settings, RunConfig):
        of_run = profile_run(settings, device=device, steps=steps, trace=target)
        summary, shown = describe(of_run.report), tables(of_run)
    else:
        of_training = profile_training(settings, device=device, steps=steps or 3, trace=target)
        summary, shown = of_training.describe(), of_training.tables()
    for key, value in summary.items():
        out.print(f"[bold]{key:12}[/]{plain(value)}")
    for table in shown:
        out.print("", table)
    out.print(f"\ntrace       {plain(target)}: open it in chrome://tracing or ui.perfetto.dev")


def doctor() -> None:
    """Examine this machine: packages, devices, CUDA, precisions, compiler, and a short self-test."""
    from aetheria.diagnostics.doctor import examine, healthy

    results = []
    for result in examine():
        results.append(result)
        mark = "[green]ok[/]" if result.good else "[red]!![/]"
        out.print(f"{mark} {plain(result.name):26} {plain(result.value)}")
        if result.hint:
            out.print(f"   {'':26} [dim]{plain(result.hint)}[/]")
    raise typer.Exit(0 if healthy(results) else 1)
