"""Commands about speed and about this machine: how fast it steps, where the time goes, and whether it is well."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from aetheria.cli.shared import Force, out
from aetheria.core.errors import ConfigError


def bench(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped config, as in quickstart.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")] = None,
    seconds: Annotated[float, typer.Option(help="How long to time steps for, about.")] = 2.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Time exactly so many steps instead.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = None,
    _force: Force = False,
) -> None:
    """Measure how fast a config steps here, and how far that is from what this machine can do."""
    from aetheria.diagnostics.bench import bench as measure
    from aetheria.diagnostics.bench import describe
    from aetheria.runs.config import load_config

    report = measure(load_config(config, set_), device=device, seconds=seconds, steps=steps)
    for key, value in describe(report).items():
        out.print(f"[bold]{key:12}[/]{escape(value)}")


def profile(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped config, as in quickstart.")],
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeatable.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps to watch; as many as take a moment by default.")] = None,
    trace: Annotated[Path | None, typer.Option(help="The trace; runs/<config>-trace.json by default.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing trace.")] = False,
) -> None:
    """Show where the time and memory of a run or a training go, by stage and by operator, and leave a Chrome trace."""
    # Before torch is imported: its profiler talks to whoever debugs it.
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
    about: dict[str, str]
    if isinstance(settings, RunConfig):
        found = profile_run(settings, device=device, steps=steps, trace=target)
        about, shown = describe(found.report), tables(found)
    else:
        taught = profile_training(settings, device=device, steps=steps or 3, trace=target)
        about, shown = taught.describe(), taught.tables()
    for key, value in about.items():
        out.print(f"[bold]{key:12}[/]{escape(value)}")
    for table in shown:
        out.print("", table)
    out.print(f"\ntrace       {escape(str(target))}: open it in chrome://tracing or ui.perfetto.dev")


def doctor() -> None:
    """Examine this machine: devices, precisions, compiler, versions, and a short self-test."""
    from aetheria.diagnostics.doctor import examine, healthy

    findings = []
    for finding in examine():
        findings.append(finding)
        mark = "[green]ok[/]" if finding.good else "[red]!![/]"
        out.print(f"{mark} {escape(finding.what):26} {escape(finding.value)}")
        if finding.hint:
            out.print(f"   {'':26} [dim]{escape(finding.hint)}[/]")
    raise typer.Exit(0 if healthy(findings) else 1)
