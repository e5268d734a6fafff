"""The processes of `test_split`, started by torchrun, not by pytest: many checks in one pair of processes."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from aetheria import Aetheria_Motor, Life, Recorder, Recording
from aetheria.core import sums
from aetheria.core.block import Block
from aetheria.core.errors import AetheriaError
from aetheria.laws import build_law
from aetheria.motor import placed_cells, window_draws
from aetheria.motor.split_state import load_tiles
from aetheria.recording.tiled_recording import TiledRecording
from aetheria.runs import last_picture
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.config import RunConfig
from aetheria.runs.last_picture import render_picture
from aetheria.runs.resume import resume
from aetheria.runs.run import build_motor, run
from aetheria.runs.split_run import follow
from aetheria.runs.state_file import describe_state, read_state
from aetheria.split.tile_files import TileFiles
from tests.small_laws import small_law
from tests.split.equality import SUITE, differing, sides_of
from tests.split.largest import Largest

Check = Callable[[DeviceMesh, Path], Any]
EAGER = {"plan": "eager", "halo_steps": 2}


def life(mesh: DeviceMesh | None = None, **options: Any) -> Aetheria_Motor:
    """A motor of Life on 24 x 20 cells, which two processes halve."""
    cfg = {"plan": "eager", **({"halo_steps": 2} if mesh else {})}
    return Aetheria_Motor(Life(), (24, 20), 1, "cpu", {**cfg, **options.pop("cfg", {})}, mesh=mesh, seed=3, **options)


def edits(mesh: DeviceMesh, _: Path) -> list[float]:
    """Sums and differences of cells after each kind of change, with one process and with two."""

    def changed(motor: Aetheria_Motor) -> list[torch.Tensor]:
        found = []
        motor.step(5)
        motor.set_cells(torch.ones(1, 9, 20), at=(8, 0))  # across the edge of the tiles
        motor.step(3)
        found.append(motor.cells)
        motor.set_control("rule", "B36/S23")
        motor.step(4)
        found.append(motor.cells)
        motor.restart(seed=9)
        motor.step(6)
        found.append(motor.cells)
        motor.restart(initial="seed")
        return [*found, motor.cells, motor.cells_at(10, 3, 5, 6), motor.next_cells(), motor.read("population").reshape(1)]

    with life(mesh) as split:
        two = changed(split)
        if not split.split.leads:  # type: ignore[union-attr]
            return [float(tensor.double().sum()) for tensor in two]
    one = changed(life())
    assert all(map(torch.equal, two, one))
    return [float(tensor.double().sum()) for tensor in one]


def saved_state(mesh: DeviceMesh, _: Path) -> bool:
    """A state of two processes goes on in one as in two, and the other way."""
    with life(mesh) as split, life(mesh) as other:
        split.step(7)
        alone = life()
        if split.split.leads:  # type: ignore[union-attr]
            alone.load_state_dict(split.state_dict())
        split.step(6)
        alone.step(6)
        other.load_state_dict(alone.state_dict())  # that of rank 0
        other.step(5)
        split.step(5)
        return torch.equal(other.cells, split.cells) and other.step_count == 18


def reversed_run(mesh: DeviceMesh, _: Path) -> bool:
    """Steps back are steps back, across tiles and phases."""
    with Aetheria_Motor(small_law("Margolus"), (24, 20), 1, "cpu", EAGER, mesh=mesh) as motor:
        first = motor.cells
        motor.step(9)
        moved = not torch.equal(motor.cells, first)
        motor.reverse(9)
        return moved and torch.equal(motor.cells, first) and motor.step_count == 0


def fields(mesh: DeviceMesh, _: Path) -> list[str]:
    """The fields whose pictures or numbers differ from those of one process."""
    names = ["channel_0", "energy", "population", "total_energy", "centre_y", "centre_x"]
    with life(mesh, batch=2) as split:
        split.step(6)
        if not split.split.leads:  # type: ignore[union-attr]
            return []
        whole = life(batch=2)
        whole.step(6)
        different = []
        parts: list[dict[str, Any]] = [
            {},
            {"size": (6, 5)},
            {"size": (7, 3)},
            {"region": (3, 4, 15, 9)},
            {"region": (4, 2, 16, 12), "size": (4, 6)},
            {"region": (0, 0, 24, 20), "size": (12, 5), "reduction": "nearest"},
            {"region": (3, 4, 15, 9), "size": (5, 3)},
            {"slice": {"x": "max"}},
            {"slice": {"x": "mean"}, "region": Block((3,), (9,))},
            {"slice": {"y": 11}},
            {"slice": {"y": 12}, "size": (4,), "universe": 1},
            {"slice": {"x": 3}, "region": Block((7,), (14,)), "size": (7,)},
            {"slice": {"x": 3}, "region": Block((2,), (8,))},
        ]
        for part in [*parts, {"size": (12, 4), "reduction": "nearest"}, {"universe": 1, "finite": True}]:
            frames = [motor.look(motor.request(names, **part)) for motor in (split, whole)]
            names += ["finite"] * ("finite" in part)
            different += [f"{name} {part}" for name in names if not np.array_equal(frames[0][name], frames[1][name])]
        return different


def reductions(mesh: DeviceMesh, _: Path) -> list[str]:
    """The means and maxima along an axis of a volume that differ from those of one process."""
    parts: list[dict[str, Any]] = [
        {"slice": {"z": "max"}},
        {"slice": {"z": "mean"}, "region": Block((3, 2), (7, 8)), "size": (7, 4)},
        {"slice": {"y": "mean"}, "universe": 1},
        {"slice": {"z": "max", "x": 3}},
        {"slice": {"z": "mean", "y": "max"}},
    ]
    sizes: list[int] = []  # of the values that rank 0 receives, in each universe

    def looked(name: str, **options: Any) -> list[Any]:
        cfg = {"plan": "eager", "log_edits": False}
        with Aetheria_Motor(small_law(name, 3), (12, 14, 10), 1, "cpu", cfg, seed=3, batch=2, **options) as motor:
            motor.step(3)
            if options:
                assemble = motor.split.halo.assemble  # type: ignore[union-attr]

                def counted(part: torch.Tensor, places: Any, sides: Any) -> torch.Tensor | None:
                    sizes.append(int(np.prod(sides)))
                    return assemble(part, places, sides)

                motor.split.halo.assemble = counted  # type: ignore[union-attr, method-assign]
            if motor.split is not None and not motor.split.leads:
                motor.follow()
                return []
            return [motor.read(motor.traits.default_field, **part).numpy() for part in parts]

    wrong: list[str] = []
    for name in ("CoupledMapLattice", "Kuramoto"):
        two = looked(name, mesh=mesh)
        if dist.get_rank() == 0:
            ends = zip(parts, two, looked(name), strict=True)
            wrong += [f"{name} {part}" for part, a, b in ends if not np.allclose(a, b, rtol=0, atol=1e-6)]
            wrong += [f"{name}: {sizes}"] if sizes != [2 * 140, 2 * 56, 120, 2 * 14, 2 * 140] else []
            sizes.clear()
    return wrong


def config_of(steps: int, law: dict[str, Any], **more: Any) -> RunConfig:
    grid = {"height": 24, "width": 20}
    settings = {"steps": steps, "seed": 4, "device": "cpu", "grid": grid, "law": law, "record": {"every": 3}}
    return RunConfig.checked({**settings, **more}, "")


def recording(mesh: DeviceMesh, folder: Path) -> list[Any]:
    """A run on two processes, and the same recorded by one; then both continued, the split one on the other split."""
    config = config_of(12, {"name": "Ising"}, checkpoint={"every": 5}, record={"every": 3, "format": "zarr"})
    paths = [folder / "one.h5", folder / "two.h5"]
    if dist.get_rank():
        follow(mesh, "cpu")
        follow(init_device_mesh("cpu", (1, 2)), "cpu")
        return []
    run(config, paths[1], device="cpu", mesh=mesh)
    resume(paths[1], steps=21, device="cpu", mesh=init_device_mesh("cpu", (1, 2)))
    parts = [describe_state(path).parts for path in checkpoints_of(paths[1])]
    run(config, paths[0], device="cpu")
    resume(paths[0], steps=21, device="cpu")
    ends = [read_state(checkpoints_of(path)[0]).tensors["cells"] for path in paths]
    stores = [TiledRecording(path.with_suffix(".zarr")) for path in paths]
    full = [np.array_equal(a["state"], b["state"]) for a, b in zip(*stores, strict=True)]
    with Recording(paths[0]) as one, Recording(paths[1]) as two:
        same = all(np.array_equal(a[name], b[name]) for a, b in zip(one, two, strict=True) for name in one.fields)
        moved = not np.array_equal(one[0]["state"], one[-1]["state"])
        saved = [full, [len(one) for one in parts], torch.equal(*ends)]
        return [len(two), two.status, same, moved, *saved, len(list(folder.glob("two.h5.checkpoint-*.part-*")))]


def recorder(mesh: DeviceMesh, folder: Path) -> list[int]:
    """In code: rank 0 records, and every process steps."""
    with life(mesh) as motor:
        if motor.split is not None and motor.split.leads:
            with Recorder(motor, folder / "code.h5", every=2):
                motor.step(10)
            return [motor.step_count, len(Recording(folder / "code.h5"))]
        return [motor.step(10), 6]


def own_tiles(mesh: DeviceMesh, _: Path) -> list[list[int]]:
    """The tile of this process, and the cells that it holds."""
    with life(mesh) as motor:
        window = motor._loop.stepper.own_state[0]
        return [[*motor.tile.corner, *motor.tile.size], list(motor.own_cells.shape), list(window.shape)]


def memory(mesh: DeviceMesh, folder: Path) -> list[int]:
    """Numbers in the largest tensor that a run makes, and in this process's window."""
    window_draws.SLAB = 1 << 12
    cfg = {"plan": "eager", "halo_steps": 2, "log_edits": False}
    with Largest() as largest, Aetheria_Motor(Life(), (256, 128), 1, "cpu", cfg, mesh=mesh, seed=3) as motor:
        own = motor._loop.stepper.own_state[0].numel()
        if motor.split is None or not motor.split.leads:
            motor.follow()
            return [largest.numbers, own]
        motor.step(5)
        motor.look(motor.request(["channel_0", "population"], size=(32, 16)))
        written = motor.tiles.write(folder / "memory.safetensors", "abc", 5)  # type: ignore[union-attr]
        assert written is not None
        parts = [(part.path(folder / "memory.safetensors"), part.pieces) for part in written.files]
        motor.restart(seed=5)
        motor.step(2)
        motor.restart(initial="seed")
        load_tiles(motor, TileFiles(parts, written.shapes), 5, 3, {})
        motor.step(3)
        seen = largest.numbers
        after = motor.own_cells
    whole = Aetheria_Motor(Life(), (256, 128), 1, "cpu", {"plan": "eager"}, seed=3)
    whole.step(8)
    assert torch.equal(whole.cells[..., :128, :], after)  # that went on from the files
    return [seen, own]


MEASURED = ("speed", "growth", "survival", "shannon_entropy")
OBSERVED = {
    "CoupledMapLattice": ("mass", "total_energy", "centre_y", "centre_x", *MEASURED, "symmetry", "spectral_slope"),
    "Ising": ("magnetisation", "spin_energy", "count_0", *MEASURED, "compressibility"),
    "FHP": ("mass", "momentum_x", "momentum_y"),
    "Sandpile": ("unstable",),
    "Kuramoto": ("order",),
    "DiracQCA": ("norm", "mean_y", "mean_x", "variance", "entanglement"),
}


def observables(mesh: DeviceMesh, _: Path) -> list[str]:
    """The observables that differ from those of one process with exact sums, or for which the grid was gathered."""
    wrong: list[str] = []
    for name, observed in OBSERVED.items():

        def read(name: str = name, observed: tuple[str, ...] = observed, **options: Any) -> list[torch.Tensor]:
            cfg = {"plan": "eager", "exact_sums": True, **options.pop("cfg", {})}
            law = small_law(name, 2)
            with Aetheria_Motor(law, (42, 50), 4 if name == "DiracQCA" else 1, "cpu", cfg, seed=3, batch=2, **options) as motor:
                motor.step(4)
                if options.get("mesh"):
                    motor._loop.stepper.view = None  # type: ignore[assignment]  # which would gather the grid
                return [motor.read(one) for one in observed]

        two = read(mesh=mesh, cfg={"halo_steps": 2})
        if torch.distributed.get_rank() == 0:
            pairs = zip(observed, read(), two, strict=True)
            wrong += [f"{name} {one}" for one, a, b in pairs if not torch.equal(a, b) or not a.isfinite().all()]
    return wrong


def given_cells(mesh: DeviceMesh, _: Path) -> bool:
    """Cells set at the edge of the torus and in one universe, and a restart with given ones, memory included."""
    cells = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (1, 24, 20))).float()

    def changed(**options: Any) -> list[torch.Tensor]:
        cfg = {"plan": "eager", **options.pop("cfg", {})}
        with Aetheria_Motor(small_law("Ising"), (24, 20), 1, "cpu", cfg, seed=3, batch=2, **options) as motor:
            motor.step(3)
            motor.set_cells(1 - cells[:, :5], at=(19, 0), universe=1)
            motor.step(3)
            found = [motor.cells]
            motor.restart(initial=cells)
            motor.step(4)
            motor.set_cells(cells)
            motor.step(2)
            return [*found, motor.cells]

    two, one = changed(mesh=mesh, cfg={"halo_steps": 2}), changed()
    return all(map(torch.equal, two, one))


def memory_of_real_cells(mesh: DeviceMesh, folder: Path) -> list[int]:
    """Numbers in the largest tensor of a run from a file: with observables, frames, edits and the picture of its end."""
    last_picture._MOST_PIXELS, placed_cells._SLAB, sums._AT_ONCE = 32, 1 << 12, 1 << 12
    if dist.get_rank() == 0:
        np.save(folder / "cells.npy", np.random.default_rng(1).random((256, 128), np.float32))
    dist.barrier()
    config = config_of(
        4,
        {"name": "CoupledMapLattice"},
        grid={"height": 256, "width": 128},
        motor={"plan": "eager", "halo_steps": 2, "log_edits": False},
        initial={"kind": "npy", "path": str(folder / "cells.npy")},
        record={"every": 2, "fields": ["channel_0", "mass", "total_energy", "centre_x"], "size": [32, 16]},
        checkpoint={"every": 2},
    )
    with Largest() as largest:
        if dist.get_rank():
            follow(mesh, "cpu")
            return [largest.numbers, 0]
        run(config, folder / "real.h5", device="cpu", mesh=mesh)
    with Recording(folder / "real.h5") as recording, build_motor(config, "cpu") as one:
        one.step(4)
        picture = np.asarray(Image.open(folder / "real.png"))
        assert np.array_equal(recording[-1]["channel_0"], one.look(one.request(["channel_0"], (32, 16)))["channel_0"])
        assert np.array_equal(picture, np.asarray(render_picture(config, one)))
        assert picture.shape[:2] == (32 * config.picture.scale, 16 * config.picture.scale)
    return [largest.numbers, 132 * 128]


def refusals(mesh: DeviceMesh, _: Path) -> dict[str, str]:
    """The messages for what cannot be split."""
    made = {
        "radius": lambda: Aetheria_Motor(build_law("UNet", d_state=1, norm="group", normalise="none"), 64, 1, "cpu", mesh=mesh),
        "twisted": lambda: Aetheria_Motor(Life(boundary="klein-x"), (24, 20), 1, "cpu", mesh=mesh),
        "narrow": lambda: Aetheria_Motor(Life(), (24, 20), 1, "cpu", {"halo_steps": 13}, mesh=mesh),
        "axes": lambda: Aetheria_Motor(build_law("Elementary"), (64,), 1, "cpu", mesh=mesh),
    }
    found = {}
    for name, make in made.items():
        try:
            make()
        except AetheriaError as error:
            found[name] = f"{type(error).__name__}: {error}"
    with life(mesh) as motor:
        try:
            motor.follow() if dist.get_rank() == 0 else motor.subscribe()
        except AetheriaError as error:
            found["role"] = str(error)
        try:
            motor.step(-1)  # on both: rank 0's error is everybody's
        except AetheriaError as error:
            found["both"] = f"{type(error).__name__}: {error}"
    return found


CHECKS: dict[str, Check] = {
    "edits": edits,
    "saved_state": saved_state,
    "reversed_run": reversed_run,
    "fields": fields,
    "recording": recording,
    "recorder": recorder,
    "own_tiles": own_tiles,
    "memory": memory,
    "memory_of_real_cells": memory_of_real_cells,
    "observables": observables,
    "reductions": reductions,
    "given_cells": given_cells,
    "refusals": refusals,
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    splits: tuple[tuple[int, ...], ...] = ((2,), (2, 1), (1, 2))
    meshes = {sides: init_device_mesh("cpu", sides) for sides in splits}
    found: dict[str, Any] = {str(case): differing(case, meshes[sides_of(case)]) for case in SUITE}
    found |= {name: check(meshes[2, 1], folder) for name, check in CHECKS.items()}
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
