"""Mutated files of all formats: whatever is read equals the original or is refused, in time and within a GiB of memory."""

import gzip
import json
import random
import resource
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.core.errors import AetheriaError
from aetheria.files.checked_tensors import write_safetensors
from aetheria.files.patterns import read_pattern
from aetheria.files.rule_file import read_rule_file
from aetheria.files.untrusted import read_array, read_image
from aetheria.laws import MLP
from aetheria.laws.weights import read_tensors
from aetheria.motor.edits import to_json
from aetheria.recording.repair.repair import repair
from aetheria.recording.schema import Codec
from aetheria.runs.config import load_config
from aetheria.runs.state_file import read_state, save_state
from aetheria.training import train_state
from benchmarks.faults import damage
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import fork_server
from benchmarks.faults.mutations import PLAIN, ChangeHdf5, Mutation, change_header, change_png, change_text

_LONGEST_S = 5  # of processor time, for a file
_STALLED_S = 60  # of time that passes: this machine may be busy
_MOST_BYTES = 2**30
_BATCH = 40  # files that a child reads
Reader = Callable[[Path], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        suffix: of its name.
        make: writes the original.
        read: its content by part; a part that is refused is left out, and an AetheriaError refuses all.
        changes: its structure, given the original.
        checked: the format has checksums, so that other data are a failure.
    """

    suffix: str
    make: Callable[[Path], None]
    read: Reader
    changes: Callable[[bytes], Mutation]
    checked: bool = True


def record(path: Path, codec: Codec = "gzip", killed: bool = False, batch: int = 2) -> None:
    """Records a short run with edits; or a copy of its file while it is open, as a killed writer leaves it."""
    motor = Aetheria_Motor(Life(), (16, 24), 1, "cpu", {"plan": "eager"}, batch=batch, seed=4)
    whole = path.with_suffix(".whole") if killed else path
    with Recorder(motor, whole, fields=["channel_0", "population"], codec=codec, title="mutated", overwrite=True) as recorder:
        for step in range(24):
            if step % 6 == 0:
                motor.set_cells(torch.ones(batch, 1, 3, 3)[:1, 0], at=(step % 10, 7), universe=0)
            motor.step(1)
        recorder.sync()
        if killed:
            shutil.copy(whole, path)


def read_recording(path: Path) -> dict[str, Any]:
    """Everything that a recording tells, frame by frame."""
    found: dict[str, Any] = {}
    with Recording(path) as recording:
        count = len(recording)
        found["about"] = repr((sorted(recording.attributes.items(), key=str), recording.config, recording.fields))
        for name in ("status", "edits", "axes", *range(count)):
            try:
                found[str(name)] = _part(recording, name)
            except AetheriaError:
                found[f"damaged {name}"] = ""
        if not recording.note:
            found["count"] = count
    return found


def _part(recording: Recording, name: str | int) -> str:
    if name == "status":
        return recording.status
    if name == "edits":
        return "\n".join(map(to_json, recording.edits))
    if name == "axes":
        return repr([recording.axis(axis).tolist() for axis in recording.grid_axes])
    frame = recording[int(name)]
    fields = {field: frame[field].tobytes().hex() for field in (*recording.fields, *recording.observables)}
    return repr((frame.step, frame.wall_time, fields))


def make_state(path: Path) -> None:
    """Saves the state of a motor."""
    motor = Aetheria_Motor(MLP(2, 8), 12, 2, "cpu", {"plan": "eager"}, seed=3)
    motor.step(2)
    save_state(motor, path, "steps = 3\n")


def read_saved_state(path: Path) -> dict[str, Any]:
    """The tensors and the description of a saved state."""
    saved = read_state(path)
    return {"description": saved.description.model_dump_json(), **_plain(saved.tensors)}


def make_training(path: Path) -> None:
    """Saves the state of a training."""
    law = MLP(2, 8)
    optimizer = torch.optim.Adam(law.parameters())
    sum(parameter.sum() for parameter in law.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    train_state.save({"config": "steps = 3", "step": 7, "law": law.state_dict(), "optimizer": optimizer.state_dict()}, path)


def read_training(path: Path) -> dict[str, Any]:
    """The state of a training, flat."""
    return _plain(train_state.load(path, "steps = 3"))


def make_weights(path: Path) -> None:
    """Writes the weights of a law."""
    weights = {name: tensor.detach() for name, tensor in MLP(2, 8).state_dict().items()}
    if path.suffix in (".pt", ".pth"):
        torch.save(weights, path, _use_new_zipfile_serialization=path.suffix == ".pt")
    elif path.suffix == ".npz":
        arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in weights.items()}
        np.savez_compressed(path, **arrays)
    else:
        write_safetensors(weights, path, {"config": "steps = 3"})


def _plain(tree: Any, name: str = "") -> dict[str, Any]:
    if isinstance(tree, Tensor):
        return {name: f"{tree.dtype} {tuple(tree.shape)} {tree.tolist()}"}
    if isinstance(tree, dict | list | tuple):
        items = tree.items() if hasattr(tree, "items") else enumerate(tree)
        return {key: value for k, inner in items for key, value in _plain(inner, f"{name}/{k}").items()}
    return {name: repr(tree)}


def make_image(path: Path) -> None:
    """Writes a picture of noise and of one colour."""
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 4), np.uint8)
    pixels[:16] = 200
    Image.fromarray(pixels).save(path)


def _write(path: Path, content: str) -> None:
    path.write_text(content)


def _read_pattern(path: Path) -> dict[str, Any]:
    return {"cells": repr(read_pattern(path))}


def _write_packed(path: Path) -> None:
    path.write_bytes(gzip.compress(_RLE.encode()))


_RLE = "#C A pattern.\nx = 36, y = 9, rule = B3/S23\n24bo11b$22bobo11b$12b2o6b2o12b2o$11bo3bo4b2o12b2o$!\n"
_PATTERNS = {
    "RLE": (".rle", _RLE),
    ".cells": (".cells", "!Name: Glider\n!\n.O.\n..O\nOOO\n\n..........O\n"),
    "Life 1.05": (".lif", "#Life 1.05\n#D A glider.\n#N\n#P -1 -1\n.*.\n..*\n***\n#P 20 30\n**\n**\n"),
    "Life 1.06": (".life", "#Life 1.06\n0 -1\n1 0\n-1 1\n0 1\n1 1\n40 50\n"),
    "MCell": (".mcl", "#MCell 4.00\n#GAME Life\n#RULE 23/3\n#BOARD 40x40\n#SPEED 100\n#WRAP 1\n#L .A$..A$3A\n"),
    "macrocell": (".mc", "[M2] (golly 2.0)\n#R B3/S23\n$$$$$$.*$*$$\n$$**$.*$\n4 0 1 2 0\n5 3 0 0 3\n"),
}
_RULES = {
    "a table": "@RULE Wire\n@TABLE\nn_states:3\nneighborhood:vonNeumann\nsymmetries:rotate4\nvar a={0,1,2}\nvar b=a\nvar c=a\n"
    "0,1,a,b,c,1\n1,a,b,c,0,2\n2,a,b,a,c,0\n@COLORS\n1 255 0 0\n2 0 0 255\n",
    "a tree": "@RULE Parity\n@TREE\nnum_states=2\nnum_neighbors=4\nnum_nodes=9\n1 0 1\n1 1 0\n2 0 1\n2 1 0\n3 2 3\n3 3 2\n"
    "4 4 5\n4 5 4\n5 6 7\n",
}
_TOML = (
    'title = "a run"\nsteps = 30\nseed = 4\n[grid]\nheight = 16\nwidth = 24\n[law]\nname = "Life"\nrule = "B3/S23"\n'
    '[motor]\nplan = "eager"\n[record]\nevery = 2\nfields = ["channel_0", "population"]\n'
)
_PLAIN_HEADER = lambda _: change_header  # noqa: E731
_PLAIN_TEXT = lambda _: change_text  # noqa: E731


def _read_array(path: Path) -> dict[str, Any]:
    array = read_array(path)
    return {"array": f"{array.dtype} {array.tolist()}"}


def _read_image(path: Path) -> dict[str, Any]:
    return {"pixels": np.asarray(read_image(path)).tobytes().hex()}


FORMATS: dict[str, Format] = {
    "recordings (gzip)": Format(".h5", record, read_recording, ChangeHdf5),
    "recordings (LZ4)": Format(".h5", partial(record, codec="fast"), read_recording, ChangeHdf5),
    "recordings (Zstandard)": Format(".h5", partial(record, codec="compact", batch=1), read_recording, ChangeHdf5),
    "recordings whose writer was killed": Format(".h5", partial(record, killed=True), read_recording, ChangeHdf5),
    "saved states and checkpoints": Format(".safetensors", make_state, read_saved_state, _PLAIN_TEXT),
    "states of trainings (.pt)": Format(".pt", make_training, read_training, _PLAIN_HEADER),
    "weights (safetensors)": Format(".safetensors", make_weights, lambda path: _plain(read_tensors(path)), _PLAIN_TEXT),
    "weights (.pt)": Format(".pt", make_weights, lambda path: _plain(read_tensors(path)), _PLAIN_HEADER),
    "weights (.npz)": Format(".npz", make_weights, lambda path: _plain(read_tensors(path)), _PLAIN_HEADER),
    "weights (.pt before torch 1.6)": Format(
        ".pth", make_weights, lambda path: _plain(read_tensors(path)), _PLAIN_HEADER, checked=False
    ),
    "images (PNG)": Format(".png", make_image, _read_image, _PLAIN_HEADER),
    "images (PNG) with matching checksums": Format(".png", make_image, _read_image, lambda _: change_png, checked=False),
    "images (TIFF)": Format(".tiff", make_image, _read_image, _PLAIN_HEADER, checked=False),
    **{
        f"patterns ({name})": Format(suffix, partial(_write, content=text), _read_pattern, _PLAIN_TEXT, checked=False)
        for name, (suffix, text) in _PATTERNS.items()
    },
    **{
        f"rule files ({name})": Format(
            ".rule",
            partial(_write, content=text),
            lambda path: {"rule": repr(read_rule_file(path))},
            _PLAIN_TEXT,
            checked=False,
        )
        for name, text in _RULES.items()
    },
    "patterns (gzip)": Format(".rle.gz", _write_packed, _read_pattern, _PLAIN_HEADER, checked=False),
    "configs (TOML)": Format(
        ".toml",
        partial(_write, content=_TOML),
        lambda path: {"config": load_config(path).to_toml()},
        _PLAIN_TEXT,
        checked=False,
    ),
    "arrays (.npy)": Format(
        ".npy", lambda path: np.save(path, np.arange(600.0).reshape(20, 30)), _read_array, _PLAIN_TEXT, checked=False
    ),
}


def examine(names: list[str], kind: str, original: str) -> None:
    """Reads files, in a child; prints a line of JSON for each: its outcome, and the peak of memory so far.

    A file that takes too long ends the process by a signal, which HDF5 cannot ignore.
    """
    warnings.simplefilter("ignore")  # libraries warn of damage
    found = FORMATS[kind]
    wanted = found.read(Path(original))
    for name in names:
        signal.setitimer(signal.ITIMER_PROF, _LONGEST_S)
        signal.alarm(_STALLED_S)
        outcome = _outcome(found, Path(name), wanted)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps([outcome, peak]), flush=True)
    signal.alarm(0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def _outcome(kind: Format, path: Path, wanted: dict[str, Any]) -> str:
    try:
        given = kind.read(path)
    except AetheriaError as error:
        return "refused" if len(str(error).splitlines()) <= 12 else f"an error of many lines: {str(error)[:300]}"
    except Exception as error:  # noqa: BLE001 - any other error is a failure
        return f"{type(error).__name__}: {str(error)[:300]}"
    damaged = [name for name in given if name.startswith("damaged ")]
    other = [name for name, value in given.items() if name not in damaged and wanted.get(name) != value]
    if other:
        return "other data" if not kind.checked else f"other data in silence: {', '.join(other)[:200]}"
    return "in part" if damaged else "as it was"


def mutated(original: bytes, changes: Mutation, dice: random.Random) -> tuple[str, bytes]:
    """A mutated copy, and the name of the mutation; a third of them change the structure."""
    mutation = changes if dice.random() < 1 / 3 else dice.choice(PLAIN)
    content = bytearray(original)
    mutation(content, dice)
    return getattr(mutation, "__name__", type(mutation).__name__), bytes(content)


def inject(times: int, kind: str, seed: int = 18) -> FaultResult:
    """Mutates and reads files of a kind."""
    result, counts, dice = FaultResult(), Counter[str](), random.Random(f"{seed} {kind}")
    with tempfile.TemporaryDirectory() as folder:
        chosen = FORMATS[kind]
        original = Path(folder) / f"original{chosen.suffix}"
        chosen.make(original)
        content = original.read_bytes()
        changes = chosen.changes(content)
        for first in range(0, times, _BATCH):
            files = {}
            for number in range(first, min(times, first + _BATCH)):
                path = Path(folder) / f"{number}{chosen.suffix}"
                name, changed = mutated(content, changes, dice)
                path.write_bytes(changed)
                files[path] = name
            for path, outcome in _examine(list(files), kind, original):
                result.runs += 1
                counts[outcome if outcome in _EXPECTED else "unexpected"] += 1
                if outcome not in _EXPECTED:
                    result.failures.append(f"{path.name} ({files[path]}): {outcome}")
                    _keep(path, kind)
                path.unlink()
    result.summary = ", ".join(f"{counts[name]:,} {words}" for name, words in _EXPECTED.items() if counts[name])
    return result


_EXPECTED = {
    "as it was": "read as they were",
    "in part": "read in part, the damage named",
    "refused": "refused",
    "other data": "read as another file, which no checksum tells",
}
KEEP: Path | None = None  # folder for files with unexpected outcomes


def _keep(path: Path, kind: str) -> None:
    if KEEP:
        shutil.copy(path, KEEP / f"{kind.split()[0]}-{path.name}")


def _examine(paths: list[Path], kind: str, original: Path) -> Iterator[tuple[Path, str]]:
    """The outcome of each file; a child that dies is replaced, and its file is the one that it was reading."""
    while paths:
        ended = fork_server().run(
            "benchmarks.faults.mutated_files:examine",
            names=[str(path) for path in paths],
            kind=kind,
            original=str(original),
            timeout_s=_STALLED_S * len(paths),
        )
        lines = [json.loads(line) for line in ended.output.splitlines() if line.startswith('["')]
        last = 0
        for path, (outcome, peak) in zip(paths, lines, strict=False):
            yield path, f"took {peak:,} bytes" if peak > _MOST_BYTES >= last else outcome
            last = peak
        if len(lines) == len(paths):
            return
        yield paths[len(lines)], f"the process ended with {ended.code}: {ended.output[-300:]!r}"
        paths = paths[len(lines) + 1 :]


def inject_and_repair(times: int, killed: bool) -> FaultResult:
    """Mutates recordings, and repairs them: the saved frames are those of the run, and the file opens again."""
    result, dice, frames, refused = FaultResult(), random.Random(f"19 {killed}"), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        path, out, original = (Path(folder) / name for name in ("run.h5", "out.h5", "original.h5"))
        record(original, killed=killed)
        content, wanted = original.read_bytes(), read_recording(original)
        right, changes = {value for name, value in wanted.items() if name.isdecimal()}, ChangeHdf5(content)
        for number in range(times):
            name, changed = mutated(content, changes, dice)
            path.write_bytes(changed)
            result.runs += 1
            try:
                saved = repair(path, out, overwrite=True, attempt=damage.attempt)
            except AetheriaError:
                refused += 1
                continue
            given = [value for key, value in read_recording(out).items() if key.isdecimal()]
            frames += len(given)
            if len(given) != saved.frames or not right.issuperset(given):
                result.failures.append(f"{number} ({name}): other frames were saved, or another number of them")
                _keep(path, f"repair{number}")
    result.summary = f"{frames:,} frames saved and correct; of {refused:,} files nothing"
    return result


_MANY = {"recordings (gzip)": 2500, "recordings whose writer was killed": 1500}
_SAFE = "as it was, in part with the damage named, or a clear error; no crash, 5 s, 1 GiB, nor other data in silence"
FAULTS = [
    Fault(
        f"mutated {kind}: bits, zeroed, swapped and repeated blocks, truncation, structure",
        _SAFE if found.checked else "a file of the format or a clear error; no crash, 5 s or 1 GiB",
        partial(inject, kind=kind),
        few=12 if found.suffix == ".h5" else 20,
        many=_MANY.get(kind, 300 if kind.startswith("patterns") else 500),
    )
    for kind, found in FORMATS.items()
] + [
    Fault(
        f"`aetheria repair` of mutated recordings {words}",
        "a clear error or correct frames",
        partial(inject_and_repair, killed=killed),
        few=2,
        many=300,
    )
    for killed, words in ((False, "that were closed"), (True, "whose writer was killed"))
]
