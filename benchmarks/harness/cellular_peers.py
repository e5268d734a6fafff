"""Other programs for cellular automata: CAX and CellPyLib on a row, bgolly on a torus; each in a process of its own."""

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import aetheria
from aetheria import build_law
from aetheria.diagnostics.bench import seconds_per_step
from aetheria.laws.base import Law
from benchmarks.harness.processes import Measurement, UnavailableError

_TABLES = Path(aetheria.__file__).parent / "laws" / "discrete" / "tables"
_ROW = 1 << 12  # cells of CellPyLib, which calls Python for each
_MOST_STEPS = 1 << 16


def cax(seconds: float, grid: list[int]) -> Measurement:
    """Rule 110 by CAX's own jitted scan."""
    try:
        import jax
        import jax.numpy as jnp
        from cax.cs.elementary import Elementary
        from flax import nnx
    except ImportError as error:
        raise UnavailableError("not installed") from error
    system = Elementary(wolfram_code=Elementary.wolfram_code_from_rule_number(110), rngs=nnx.Rngs(0))
    state = jnp.asarray(_row(grid[0])[:, None], jnp.float32)

    def advance(steps: int) -> None:
        nonlocal state
        state = jax.block_until_ready(system(state, num_steps=steps))

    # Each number of steps is compiled anew, so that they are doubled up to the time wanted.
    steps = 1
    while (taken := _second_time(advance, steps)) < seconds and steps < _MOST_STEPS:
        steps *= 2
    return {"seconds": taken / steps}


def _second_time(advance: Callable[[int], None], steps: int) -> float:
    advance(steps)
    began = time.perf_counter()
    advance(steps)
    return time.perf_counter() - began


def cellpylib(seconds: float, grid: list[int]) -> Measurement:
    """Rule 110 by CellPyLib, with memoisation; seconds for as many cells as the grid has."""
    try:
        import cellpylib
    except ImportError as error:
        raise UnavailableError("not installed") from error
    width = min(_ROW, grid[0])
    first = _row(width)[None]

    def advance(steps: int) -> None:
        cellpylib.evolve(first, timesteps=steps + 1, memoize=True, apply_rule=lambda n, _c, _t: cellpylib.nks_rule(n, 110))

    return {"seconds": seconds_per_step(advance, seconds) * grid[0] / width}


def _row(width: int) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, 2, width)


def bgolly(seconds: float, grid: list[int], law: str, settings: dict[str, Any], algorithm: str, golly: str) -> Measurement:
    """bgolly from the law's own soup: the time that further steps add."""
    ours = build_law(law, **settings)
    assert isinstance(ours, Law)
    cells = ours.random_cells(tuple(grid), torch.Generator().manual_seed(0))[0].numpy().astype(np.int64)
    height, width = cells.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soup.rle"
        path.write_text(
            f"x = {width}, y = {height}, rule = {settings['rule']}:T{width},{height}\n{rle(cells, ours.states or 2)}!\n"
        )
        once, steps = _timed(golly, algorithm, path, 1), 2
        while (more := _timed(golly, algorithm, path, steps + 1) - once) < seconds and steps < _MOST_STEPS:
            steps *= 2
    return {"seconds": max(more, 1e-9) / steps}


def _timed(golly: str, algorithm: str, path: Path, steps: int) -> float:
    command = [golly, "-q", "-q", "-a", algorithm, "-s", f"{_TABLES}/", "-m", str(steps), "-i", str(steps), str(path)]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "rror" in done.stdout + done.stderr:
        lines = (done.stderr + done.stdout).strip().splitlines()
        raise UnavailableError(f"bgolly failed: {lines[-1] if lines else done.returncode}")
    return time.perf_counter() - began


def rle(cells: NDArray[np.int64], states: int) -> str:
    """The rows of a pattern in RLE, without run lengths."""
    letters = ["b", "o"] if states == 2 else [".", *(_letter(state) for state in range(1, states))]
    return "$\n".join("".join(letters[state] for state in row) for row in cells.tolist())


def _letter(state: int) -> str:
    """A to X for states 1 to 24, then pA and so on."""
    prefix, place = divmod(state - 1, 24)
    return (chr(ord("p") + prefix - 1) if prefix else "") + chr(ord("A") + place)
