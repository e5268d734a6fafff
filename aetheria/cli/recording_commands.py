"""Commands on recordings: info, verify, repair and export."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetheria.cli.shared import Force, out, plain
from aetheria.core.errors import ConfigError
from aetheria.core.printable import counted
from aetheria.core.shell import shell_quoted

if TYPE_CHECKING:
    from aetheria.export.pictures import Movie
    from aetheria.observe.request import Cut
    from aetheria.recording import Recording

_MAX_PROBLEMS = 12  # lines printed about a damaged file


def info(file: Annotated[Path, typer.Argument(help="A recording (.h5).")]) -> None:
    """Show the contents of a recording, ways to open it, and its config."""
    from aetheria.recording import Recording

    with Recording(file) as recording:
        for key, value in _contents(recording).items():
            if value:
                out.print(f"[bold]{key:12}[/]{plain(value)}")
        out.print("\n[bold]open it[/]")
        for line in _ways_to_open(recording):
            out.print(f"  {plain(line)}")
        if recording.config:
            config, note = _present_config(recording)
            out.print(f"\n[bold]config[/]{plain(note)}")
            for line in config.strip().split("\n"):
                out.print(plain(line))


def _contents(recording: "Recording") -> dict[str, object]:
    from aetheria.recording.overview import overview

    a, steps = recording.attributes, recording.steps
    count = f"{len(steps):,}" + (f", steps {steps[0]:,} to {steps[-1]:,}, every {a['every']}" if len(steps) else "")
    return {
        **overview(recording),
        "frames": count,
        "fields": ", ".join(f"{n} {recording.dataset(n).shape[1:]} {recording.dataset(n).dtype}" for n in recording.fields),
        "edits": recording.edit_count,
        "size": f"{recording.path.stat().st_size / 2**20:.2f} MiB",
        "versions": f"aetheria {a['aetheria_version']}, torch {a['torch_version']}, HDF5 {a['hdf5_version']}",
        "weights": f"sha256 {a['weights_sha256'][:16]}",
        "repaired": a.get("repaired", ""),
    }


def _ways_to_open(recording: "Recording") -> list[str]:
    file, name = shell_quoted(recording.path), json.dumps(str(recording.path), ensure_ascii=False)
    lines = [f"aetheria view {file}", f"aetheria.Recording({name})"]
    if recording.note:
        return [*lines, f"other programs: after aetheria run --resume {file}, or aetheria repair {file}"]
    if recording.status == "running":
        return [*lines, f'h5py.File({name}, "r", swmr=True)', "(it is being written)"]
    lines += [f'xarray.open_dataset({name}, engine="h5netcdf")', f'h5py.File({name}, "r")']
    codec = recording.attributes["codec"]
    return lines if codec == "gzip" else [*lines, f'(codec "{codec}": import hdf5plugin before xarray or h5py)']


def _present_config(recording: "Recording") -> tuple[str, str]:
    """The config with the steps that are done, if it was resumed beyond its own; and a note on that."""
    steps, last = re.search(r"^steps = (\d+)$", recording.config, re.MULTILINE), recording.steps[-1:]
    if not steps or not len(last) or int(last[0]) <= int(steps[1]):
        return recording.config, ""
    changed = recording.config[: steps.start()] + f"steps = {last[0]}" + recording.config[steps.end() :]
    return changed, f"  (resumed beyond its {int(steps[1]):,} steps)"


def verify(
    file: Annotated[Path, typer.Argument(help="A recording (.h5) of a run from a config.")],
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:<number>; as recorded by default.")] = None,
) -> None:
    """Run a recorded run again: exit code 0 if all frames are equal to the last bit, 6 and the first difference if not."""
    from aetheria.recording import Recording
    from aetheria.runs.verify import verify as run_again

    with Recording(file) as recording:
        result = run_again(recording, device)
    if result.identical:
        out.print(f"[green]identical[/] {plain(file)}: all {result.frames:,} frames, to the last bit")
    else:
        out.print(
            f"[red]differs[/] {plain(file)}: at step {result.step:,} {plain(result.field)} of universe "
            f"{result.universe} differs by up to {result.largest:.3g}; the {result.frames:,} frames before are identical"
        )
    for difference in result.provenance:
        out.print(f"  recorded with {plain(difference)}")
    raise typer.Exit(0 if result.identical else 6)


def repair(
    file: Annotated[Path, typer.Argument(help="A recording (.h5) that is damaged, or whose writer was killed.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="The new recording; NAME.repaired.h5 beside it by default.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Save the readable frames of a damaged recording in a new file: exit code 0, or 6 if something is lost."""
    from aetheria.recording.repair.repair import repair as save

    target = out_file or file.with_name(f"{file.stem}.repaired{file.suffix}")
    saved = save(file, target, overwrite=overwrite)
    status = "[green]saved[/]" if saved.complete else "[yellow]saved in part[/]"
    behind = f", {saved.uncounted:,} more that were not committed yet" if saved.uncounted else ""
    frames = f"{saved.frames - saved.uncounted:,} of {saved.counted:,} frames{behind}, {counted(saved.edits, 'edit')}"
    out.print(f"{status} {plain(target)}: {frames}")
    for line in saved.losses():
        out.print(f"  lost   {plain(line)}")
    for line in saved.problems[:_MAX_PROBLEMS]:
        out.print(f"  found  {plain(line)}")
    if len(saved.problems) > _MAX_PROBLEMS:
        out.print(f"  found  {len(saved.problems) - _MAX_PROBLEMS:,} more of these")
    raise typer.Exit(0 if saved.complete else 6)


def export(
    file: Annotated[Path, typer.Argument(help="A recording (.h5).")],
    png: Annotated[bool, typer.Option("--png", help="The last frame as a PNG.")] = False,
    gif: Annotated[bool, typer.Option("--gif", help="The frames as an endless GIF.")] = False,
    mp4: Annotated[bool, typer.Option("--mp4", help="The frames as an MP4 film (needs PyAV).")] = False,
    vtkhdf: Annotated[bool, typer.Option("--vtkhdf", help="A small file through which ParaView opens the recording.")] = False,
    npz: Annotated[bool, typer.Option("--npz", help="All data as a NumPy archive.")] = False,
    zarr: Annotated[bool, typer.Option("--zarr", help="All data as a Zarr store (needs zarr).")] = False,
    rle: Annotated[bool, typer.Option("--rle", help="The last states, or those of step --to, as a pattern (RLE).")] = False,
    npy: Annotated[bool, typer.Option("--npy", help="The same states as a NumPy array.")] = False,
    out_file: Annotated[Path | None, typer.Option("--out", help="File to write; beside the recording by default.")] = None,
    field: Annotated[str | None, typer.Option(help="Field to show; the first one recorded by default.")] = None,
    colour_map: Annotated[
        str | None, typer.Option(help="ember, ice, grey, phase, balance, viridis, magma, inferno, plasma, cividis or twilight.")
    ] = None,
    first: Annotated[int | None, typer.Option("--from", help="First step.")] = None,
    last: Annotated[int | None, typer.Option("--to", help="Last step.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Show each n-th of these frames only.", metavar="N")] = 1,
    levels: Annotated[tuple[float, float] | None, typer.Option(help="Values at the ends of the colour map.")] = None,
    log: Annotated[bool, typer.Option("--log", help="Colours by the logarithm of the values.")] = False,
    gamma: Annotated[float, typer.Option(min=0.1, max=10, help="Below 1 low values become lighter.")] = 1.0,
    universe: Annotated[int, typer.Option(help="Number of the universe in a batch.")] = 0,
    slice_: Annotated[
        list[str] | None,
        typer.Option("--slice", metavar="AXIS=CUT", help="Cut an axis away, as z=16, z=mean or z=max; needed in 3-D."),
    ] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=240, help="Frames per second.")] = 20.0,
    scale: Annotated[int, typer.Option(min=1, max=64, help="Pixels for each side of a cell.")] = 4,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    _force: Force = False,
) -> None:
    """Export a recording as a picture or film, its cells as a pattern, or all of it for ParaView, NumPy or Zarr."""
    from aetheria.export.names import exported_names
    from aetheria.export.pictures import Movie, PictureStyle
    from aetheria.files.atomic import check_output
    from aetheria.recording import Recording

    shown = [kind for kind, wanted in {"png": png, "gif": gif, "mp4": mp4}.items() if wanted]
    cells = [kind for kind, wanted in {"rle": rle, "npy": npy}.items() if wanted]
    copied = [kind for kind, wanted in {"vtkhdf": vtkhdf, "npz": npz, "zarr": zarr}.items() if wanted]
    kinds = [*shown, *cells, *copied]
    if not kinds:
        raise ConfigError("export: expected one or more of --png, --gif, --mp4, --rle, --npy, --vtkhdf, --npz, --zarr")
    of_pictures = {"--field": field, "--from": first, "--slice": slice_, "--levels": levels} | ({} if cells else {"--to": last})
    if not shown and (stray := [name for name, given in of_pictures.items() if given is not None] + ["--every"] * (every > 1)):
        raise ConfigError(f"export: {stray[0]} given; it is for --png, --gif and --mp4, and --{kinds[0]} takes all frames")
    if out_file and len(kinds) > 1:
        raise ConfigError(f"export: --out names one file, but {' and '.join('--' + k for k in kinds)} are given")
    if out_file and out_file.suffix != f".{kinds[0]}":
        raise ConfigError(f"--out {out_file}: expected a name that ends in .{kinds[0]}")
    with Recording(file) as recording:
        style = PictureStyle(colour_map, levels, universe, scale, _cuts(slice_), log, gamma)
        movie = Movie(recording, field, style, first, last, every) if shown else None
        # Pictures with the field's name: the run left its own under the recording's.
        names = {kind: f"{file.stem}-{exported_names(recording)[movie.field]}.{kind}" for kind in shown} if movie else {}
        targets = {kind: out_file or file.with_name(names.get(kind, f"{file.stem}.{kind}")) for kind in kinds}
        for kind, target in targets.items():
            check_output(target, overwrite, a_folder=kind == "zarr")
        for kind, target in targets.items():
            if kind in cells:
                text = _cells(recording, target, last, universe)
            else:
                text = _show(movie, kind, target, fps) if movie and kind in shown else _copy(recording, kind, target)
            out.print(f"{plain(target)}: {plain(text)}")


def _cuts(given: list[str] | None) -> "dict[str, Cut]":
    """The slice that options such as "z=16" ask for; the values are checked against the grid later."""
    cuts: dict[str, Any] = {}
    for text in given or []:
        axis, equals, cut = text.partition("=")
        if not equals or not axis or axis in cuts:
            raise ConfigError(f"--slice {text}: expected AXIS=INDEX, AXIS=mean or AXIS=max, each axis once, as in --slice z=16")
        cuts[axis] = int(cut) if cut.removeprefix("-").isdecimal() else cut
    return cuts


def _show(movie: "Movie", kind: str, target: Path, fps: float) -> str:
    from aetheria.export.pictures import save_gif, save_mp4, save_png

    if kind == "png":
        save_png(movie, target)
        if movie.space_time:
            return f"{movie.field}, space-time picture of steps {movie.step(0)} to {movie.step(-1)}"
        return f"{movie.field}, step {movie.step(-1)}"
    (save_gif if kind == "gif" else save_mp4)(movie, target, fps)
    return f"{movie.field}, {counted(len(movie), 'frame')}, steps {movie.step(0)} to {movie.step(-1)}"


def _cells(recording: "Recording", target: Path, step: int | None, universe: int) -> str:
    from aetheria.export.patterns import export_cells
    from aetheria.laws.base import as_law
    from aetheria.runs.replay import config_of
    from aetheria.runs.run import law_from_config

    if not recording.config:
        raise ConfigError(f"{recording.path}: was recorded without a config, which names its law")
    config = config_of(recording, recording.config)
    law, d_state = law_from_config(config.law, config.d_state, len(config.grid.sides))
    return export_cells(recording, target, as_law(law, d_state), step, universe)


def _copy(recording: "Recording", kind: str, target: Path) -> str:
    from aetheria.export.formats import save_npz, save_vtkhdf, save_zarr

    save: Callable[[Recording, Path], None] = {"vtkhdf": save_vtkhdf, "npz": save_npz, "zarr": save_zarr}[kind]
    save(recording, target)
    return f"{', '.join((*recording.fields, *recording.observables))}, {counted(len(recording), 'frame')}"
