"""The command that runs a sweep, and shows its table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from aetheria.cli.shared import Device, Overrides, Quiet, err, out, plain, program
from aetheria.core.errors import ConfigError
from aetheria.core.printable import counted
from aetheria.core.shell import shell_quoted

if TYPE_CHECKING:
    from aetheria.sweep.results import ResultTable
    from aetheria.sweep.sweep import SweepResult

_SHOWN_ROWS, _SHOWN_COLUMNS = 40, 9
_MARK = {"done": "[green]done[/]", "failed": "[red]failed[/]", "diverged": "[red]diverged[/]"}


def sweep(
    config: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped sweep; with --show also its folder.")],
    set_: Overrides = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="For the results; runs/<sweep> by default.")] = None,
    on: Annotated[
        str, typer.Option("--on", help="Where to run: local, inline (in this process), ray (RAY_ADDRESS) or slurm.")
    ] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="Runs at a time; one for each core, or one for a GPU.")] = None,
    device: Device = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the points again that failed.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run points that an earlier sweep ran, too.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the table of results, and run nothing.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a config with many parameters and seeds; goes on where it was ended. The results: results.jsonl and results.csv."""
    from aetheria.sweep.sweep_config import load_sweep

    if show and Path(config).is_dir():
        return _show(Path(config))
    plan, name = load_sweep(config, set_)
    folder = out_folder or Path("runs") / name
    if show:
        return _show(folder)
    from aetheria.cli.progress import SweepDisplay
    from aetheria.sweep.sweep import sweep as run_sweep
    from aetheria.sweep.sweeper import SweepOptions

    options: dict[str, Any] = {"on": on, "workers": workers, "options": SweepOptions(device, retry, not no_cache)}
    try:
        with SweepDisplay(out, quiet) as display:
            display.started(plan.varied, on)
            result = run_sweep(plan, folder, progress=display.progress, **options)
    except KeyboardInterrupt as error:
        err.print("interrupted; the rows so far are kept, and the same command goes on")
        raise typer.Exit(getattr(error, "exit_code", 130)) from None
    _report(result, config, folder, quiet)
    raise typer.Exit(result.exit_code)


def _show(folder: Path) -> None:
    from aetheria.sweep.results import ROWS, load

    if not (folder / ROWS).exists():
        raise ConfigError(f"{folder}: holds no results of a sweep; run it first, or name its folder with --out")
    _print_table(load(folder))


def _report(result: "SweepResult", config: str, folder: Path, quiet: bool) -> None:
    table = result.table
    failed = [row for row in table if row["status"] != "done"]
    for row in failed[:3]:
        err.print(f"{_MARK[row['status']]}: point {row['index']}: {plain(row['error'].splitlines()[0])}")
    if len(failed) > 3:
        err.print(f"  ... and {len(failed) - 3:,} more; the table has their messages")
    if quiet:
        return
    interrupted = result.exit_code >= 128
    said = "[yellow]interrupted[/]" if interrupted else "[green]done[/]"
    out.print(f"{said} {counted(table.done, 'point')} done, {len(failed):,} failed")
    for file in result.files:
        out.print(f"  {file.stem.replace('_', ' '):<9}  {plain(file)}")
    if cached := sum(bool(row.get("cached")) for row in table):
        out.print(f"  {cached:,} of them from the cache of runs; --no-cache runs them")
    command, name = plain(program()), plain(shell_quoted(config))
    out.print(f"Next: {command} sweep {name}" + ("" if interrupted else f" --show --out {plain(shell_quoted(folder))}"))


def _print_table(table: "ResultTable") -> None:
    columns = table.columns
    end = columns.index("steps") if "steps" in columns else len(columns)
    shown = columns[: min(end, _SHOWN_COLUMNS)]
    printed = Table(*map(plain, shown), box=None, header_style="bold")
    for number, record in enumerate(table.records()):
        if number == _SHOWN_ROWS:
            break
        printed.add_row(*(_MARK.get(record[name], plain(_cell(record[name]))) for name in shown))
    out.print(printed)
    more = [f"{len(table) - _SHOWN_ROWS:,} more rows"] if len(table) > _SHOWN_ROWS else []
    more += [f"{len(columns) - len(shown)} more columns"] if len(columns) > len(shown) else []
    if more:
        out.print(f"... {' and '.join(more)} in {plain(table.folder / 'results.csv')}")
    for row in table:
        if row["status"] != "done":
            out.print(f"point {row['index']} {_MARK[row['status']]}: {plain(row['error'].splitlines()[0])}")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
