"""Malformed files: random configs and patterns, and states and weights with changed bytes."""

import math
import random
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import tomli_w
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from aetheria.core.errors import AetheriaError
from aetheria.files.rle import read_rle
from aetheria.laws import MLP, build_law, load_weights
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig, load_config
from aetheria.runs.run import build_motor
from aetheria.runs.state_file import load_state, save_state
from benchmarks.faults.fault import Fault, FaultResult

_LONGEST_S = 20.0  # for one of these files, on a busy machine
_SMALL = 1 << 14  # cells up to which the motor of a config is also built
_BASE: dict[str, Any] = {
    "steps": 3,
    "grid": {"height": 16, "width": 16},
    "law": {"name": "Life"},
    "motor": {"plan": "eager"},
    "record": {"every": 1},
}
_MORE = ("height", "width", "name", "weights", "rule", "kind", "path", "plan", "every", "fields", "R")
_KEYS = sorted({*RunConfig.model_fields, *_MORE})
_VALUES = st.one_of(
    st.sampled_from([0, -1, 1, 2, 7, 64, 2**31, 2**63, 10**30, True, date(2026, 1, 1)]),
    st.sampled_from([0.5, 1e-30, 1e30, float("inf"), float("nan")]),
    st.sampled_from(["", "x", "Life", "Lenia", "GrowingNCA", "MLP", "B3/S23", "B9/S", "/dev/zero", "seed", "rle", "\0"]),
    st.text(max_size=8),
)
_TREES = st.recursive(
    _VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
_TABLES = st.dictionaries(st.sampled_from(_KEYS), _TREES, max_size=4)
CONFIGS = st.tuples(
    st.dictionaries(st.sampled_from(_KEYS), st.one_of(_TREES, _TABLES), max_size=3),
    st.lists(st.tuples(st.integers(0, 400), st.text('[]{}=.,"\n\\#abc019', max_size=6)), max_size=2),
)
RUNS = st.one_of(
    st.text("0123456789bo$!.ABXpqy \n#x=,", max_size=80),
    st.lists(st.tuples(st.integers(0, 10**12), st.sampled_from([*"bo$.AX", "pA", "yO", "yX", "!"])), max_size=30).map(
        lambda runs: "".join(f"{count}{tag}" for count, tag in runs) + "!"
    ),
    st.tuples(st.integers(-1, 10**12), st.integers(-1, 10**12), st.text("bo$3!", max_size=20)).map(
        lambda example: f"x = {example[0]}, y = {example[1]}, rule = B3/S23\n{example[2]}!"
    ),
)
_SAME = settings(  # the same examples in every run
    derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def _random_examples(strategy: st.SearchStrategy[Any], use: Callable[[Any], object]) -> Callable[[int], FaultResult]:
    """Uses random examples; each must end in success or an AetheriaError, within `_LONGEST_S`."""

    def inject(times: int) -> FaultResult:
        result, refused = FaultResult(), []

        @settings(_SAME, max_examples=times)
        @given(strategy)
        def each(example: Any) -> None:
            result.runs += 1
            refused.append(_refused(lambda: use(example), repr(example)[:200], result))

        each()
        result.summary = f"{sum(refused):,} refused, {result.runs - sum(refused):,} accepted"
        return result

    return inject


def _refused(use: Callable[[], object], name: str, result: FaultResult) -> bool:
    """Whether it was refused with an AetheriaError; any other error, and a long duration, is a failure."""
    began = time.monotonic()
    try:
        use()
    except AetheriaError:
        return True
    except Exception as error:  # noqa: BLE001 - any other error is a failure
        result.failures.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    finally:
        if time.monotonic() - began > _LONGEST_S:
            result.failures.append(f"{name}: took {time.monotonic() - began:.0f} s")
    return False


def _use_config(example: tuple[dict[str, Any], list[tuple[int, str]]]) -> None:
    changes, typed = example
    values = dict(_BASE)
    for key, value in changes.items():
        table = _BASE.get(key)
        values[key] = table | value if isinstance(value, dict) and isinstance(table, dict) else value
    text = tomli_w.dumps(values)
    for at, inserted in typed:
        text = text[:at] + inserted + text[at:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.toml"
        path.write_text(text, "utf-8", errors="surrogatepass")
        config = load_config(path)
        if math.prod(config.grid.sides) * config.batch <= _SMALL:
            build_motor(config, "cpu").step(1)


def _mutated(whole: bytes, random: random.Random) -> bytes:
    """A copy with some bytes changed, removed, inserted or repeated; half of the time near the header."""
    damaged = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(min(len(damaged), 300) if random.random() < 0.5 else len(damaged))
        match random.randrange(4):
            case 0:
                damaged[at] ^= random.randint(1, 255)
            case 1:
                del damaged[at : at + random.choice([1, 8, len(damaged)])]
            case 2:
                damaged[at:at] = random.choice([b"\0", b"\xff" * 8, b"9" * 20, b"[" * 50, damaged[at : at + 40]])
            case 3:
                damaged[at : at + 8] = random.choice([0, 2**31, 2**62, 2**64 - 1]).to_bytes(8, "little")
        damaged = damaged or bytearray(b"\0")
    return bytes(damaged)


def damaged_states(times: int) -> FaultResult:
    """A saved state with changed bytes: refused, or equal to the bit."""
    result, refused, chance = FaultResult(), 0, random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        motor = Aetheria_Motor(MLP(2, 4), 12, 2, "cpu", {"plan": "eager"}, seed=3)
        motor.step(2)
        path, wanted = Path(folder) / "x.safetensors", motor.cells
        save_state(motor, path, "steps = 3\n")
        whole = path.read_bytes()
        for number in range(times):
            result.runs += 1
            path.write_bytes(_mutated(whole, chance))
            other = Aetheria_Motor(MLP(2, 4), 12, 2, "cpu", {"plan": "eager"}, seed=9)
            no = _refused(lambda other=other: load_state(other, path), f"state {number}", result)  # type: ignore[misc]
            refused += no
            if not no and not torch.equal(other.cells, wanted) and not result.failures:
                result.failures.append(f"state {number}: other cells were loaded without an error")
    result.summary = f"{refused:,} refused, {result.runs - refused:,} as saved"
    return result


def damaged_weights(times: int) -> FaultResult:
    """Weights with changed bytes, safetensors and `.pt`: refused, or finite weights of the right shapes."""
    result, refused, chance = FaultResult(), 0, random.Random(6)
    law = build_law("MLP", d_state=2, hidden_channels=4)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of damaged pickles
        kinds: dict[str, Callable[[Any, Path], None]] = {".safetensors": save_file, ".pt": torch.save}
        wholes = {}
        for suffix, save in kinds.items():
            path = Path(folder) / f"w{suffix}"
            save(law.state_dict(), path)
            wholes[path] = path.read_bytes()
        for number in range(times):
            path, whole = list(wholes.items())[number % 2]
            result.runs += 1
            path.write_bytes(_mutated(whole, chance))
            refused += _refused(lambda path=path: load_weights(law, path), f"weights {number} {path.suffix}", result)  # type: ignore[misc]
            if not all(tensor.isfinite().all() for tensor in law.state_dict().values()):
                result.failures.append(f"weights {number}: NaN or Inf was loaded")
    result.summary = f"{refused:,} refused, {result.runs - refused:,} read"
    return result


_CLEAR = "a clear error or success; no other error, no hang"
FAULTS = [
    Fault("random configs (hypothesis)", _CLEAR, _random_examples(CONFIGS, _use_config), 150, 10_000),
    Fault(
        "random RLE patterns (hypothesis)", _CLEAR, _random_examples(RUNS, lambda text: read_rle(text, "example")), 300, 10_000
    ),
    Fault("saved states with changed bytes", "a clear error or the state to the bit", damaged_states, 60, 1_000),
    Fault("weights with changed bytes (safetensors, .pt)", _CLEAR, damaged_weights, 60, 1_000),
]
