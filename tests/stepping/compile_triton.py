"""Compiles the Triton kernels for GPUs that need not be there; prints Triton's version, then capability, kernel, spilled bytes.

python -m tests.stepping.compile_triton 8.0 9.0 10.0 [--wide]

The kernels for whole states are compiled for the first of these alone. `--wide`: all, with other rules and with wide networks,
which take longest to compile. With another Triton first on PYTHONPATH it is that one which compiles.
"""

import random
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from aetheria.core.precision import Precision
from aetheria.laws import Elementary, Generations, LargerThanLife, Law, Life, RuleTable, build_law
from aetheria.laws.rules.block_table import table_text
from aetheria.stepping.gpu import (
    block_kernel,
    circle_kernel,
    count_kernel,
    life_kernel,
    local_network,
    local_network_kernel,
    tree_kernel,
)
from aetheria.stepping.gpu.bit_packed_life import BLOCK, PASSES, PackedInPasses
from aetheria.stepping.gpu.block_rule import BlockRuleOnCuda, RowRuleOnCuda
from aetheria.stepping.gpu.local_network import FusedOnCuda
from aetheria.stepping.gpu.neighbour_count import NeighbourCountOnCuda
from aetheria.stepping.gpu.network_layout import Capability
from aetheria.stepping.gpu.rule_tree import RuleTreeOnCuda
from aetheria.stepping.gpu.state_circle import StateCircleOnCuda
from aetheria.stepping.gpu.whole_states import WholeStatesOnCuda
from tests.small_laws import fresh, small_law

MOST_SPILLED = 640  # bytes of a thread: of MLP 128 wide in bfloat16 on 8.0
TENSOR_CORES = ("wgmma", "mma.sync", "tcgen05.mma")
# Name, precision, grid and settings: each boundary, norm, activation, product, mask and form of the filters once.
NETWORKS: tuple[tuple[str, Precision, tuple[int, int], dict[str, Any]], ...] = (
    ("MLP", "fp32", (16, 32), {"boundary": "reflect"}),
    ("DEEP_QCA", "tf32", (16, 32), {"boundary": "zero", "normalise": "cell"}),
    ("GrowingNCA", "bf16", (1, 1), {}),
)
WIDE: tuple[tuple[str, Precision, tuple[int, int], dict[str, Any]], ...] = (
    ("GrowingNCA", "fp32", (16, 32), {"channels": 16, "hidden_channels": 128}),
    ("MLP", "bf16", (16, 32), {"hidden_channels": 128}),
)
STATES: tuple[tuple[type[WholeStatesOnCuda], Any, tuple[int, ...]], ...] = (
    (BlockRuleOnCuda, Generations("/2/3"), (64, 4096)),
    (RowRuleOnCuda, Elementary(30), (1 << 20,)),
    (RuleTreeOnCuda, RuleTable(), (64, 100)),
    (NeighbourCountOnCuda, LargerThanLife(), (64, 100)),
    (StateCircleOnCuda, build_law("Cyclic"), (64, 100)),
)
MORE_STATES: tuple[tuple[type[WholeStatesOnCuda], Any, tuple[int, ...]], ...] = (
    (BlockRuleOnCuda, Life(table_text(random.Random(1).getrandbits(512)), boundary="zero"), (64, 1000)),
    (BlockRuleOnCuda, Generations("12/34/200", boundary="reflect"), (9, 30)),
    (BlockRuleOnCuda, Generations("12/34/200"), (1, 1)),
    (RuleTreeOnCuda, RuleTable("JvN29", boundary="klein-x"), (3, 5)),
    (RuleTreeOnCuda, RuleTable(), (1, 1)),
    (NeighbourCountOnCuda, LargerThanLife("R1,C2,S1,B1", boundary="zero"), (1, 1)),
    (StateCircleOnCuda, build_law("Life3D"), (16, 16, 100)),
    (NeighbourCountOnCuda, LargerThanLife("R2,C4,S8-12,B9-10,NL", boundary="zero"), (64, 100)),
    (NeighbourCountOnCuda, LargerThanLife("R2,C3,S2-5,B6-9,NW0000011100010100111000000,012"), (64, 100)),
    (StateCircleOnCuda, build_law("Cyclic", boundary="reflect"), (100, 100)),
    (StateCircleOnCuda, build_law("Cyclic"), (1, 1)),
    (StateCircleOnCuda, build_law("GreenbergHastings", boundary="zero"), (1000,)),
)


class Absent:
    """Stands in for a driver and its device: answers what Triton asks before it compiles."""

    def __init__(self, capability: Capability) -> None:
        self.capability = capability[0] * 10 + capability[1]

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.capability, 32)

    def get_current_device(self) -> int:
        return self.capability  # Triton keeps what it compiled by device

    def get_current_stream(self, device: int | None = None) -> int:
        return 0


class Compiles:
    """Stands in for a kernel: compiled when launched, but not run."""

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(*args: Any, **options: Any) -> None:
            compiled = self.kernel.warmup(*args, grid=grid, **options)
            # Only products in float32 ("ieee") do without tensor cores.
            uses_cores = any(name in compiled.asm["ptx"] for name in TENSOR_CORES)
            wanted = compiled.name == "step_counts" or options.get("product", "ieee") != "ieee"
            assert uses_cores == wanted, (compiled.name, options)
            registers, spilled = resources(compiled.asm["cubin"])
            print(triton.runtime.driver.active.capability, compiled.name, spilled, flush=True)
            assert spilled <= MOST_SPILLED, (compiled.name, options)
            if compiled.name == "step_words":  # room on a processor for the twelve warps that `LANES` assumes
                assert (spilled, registers <= 65536 // (3 * BLOCK)) == (0, True), registers

        return launch


def absent_capability(capability: Capability, _: torch.device) -> Capability:
    """In place of `capability_of`, which would ask the device of the cells."""
    return capability


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers and spilled bytes of a thread."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack = (int(re.findall(rf"{what}:(\d+)", said)[-1]) for what in ("REG", "STACK"))
    return registers, stack


def compile_networks(cases: tuple[tuple[str, Precision, tuple[int, int], dict[str, Any]], ...], capability: Capability) -> None:
    for name, precision, grid, settings in cases:
        law = small_law(name, **settings)
        assert isinstance(law, Law)
        cells, *memory = fresh(law, grid)
        network = FusedOnCuda(law, precision)
        with torch.no_grad():
            network.step(*network.pack((cells, *memory)))
    wide, precision, _, settings = "MLP", "fp32", (1, 1), {"hidden_channels": 128}
    law = small_law(wide, **settings)
    assert isinstance(law, Law)
    assert bool(local_network.why_not(law, "fp32")) == (capability[0] not in (9, 10)), "it would spill kilobytes"


def compile_life(widths: tuple[int, ...]) -> None:
    laws = {16384: Life(), 1: Life(boundary="zero"), 1024: Life("B0123478/S01234678", boundary="reflect")}
    for width in widths:
        plan = PackedInPasses(laws[width], torch.empty(1, 1, 1, width))
        for steps in PASSES if width == 16384 else PASSES[2:3] if width == 1 else PASSES[:1]:
            plan.advance((torch.empty(1, 2, -(-width // 64), dtype=torch.int64),), steps)


def compile_states(cases: tuple[tuple[type[WholeStatesOnCuda], Any, tuple[int, ...]], ...]) -> None:
    for plan_type, law, grid in cases:
        cells = torch.zeros(1, 1, *grid)
        plan = plan_type(law, cells)
        plan.advance(plan.pack((cells,)), 1)


def main(capabilities: list[str]) -> None:
    print(triton.__version__)
    kernels = (
        (local_network_kernel, ("step_cells", "mask_cells")),
        (life_kernel, ("step_words",)),
        (block_kernel, ("step_planes",)),
        (tree_kernel, ("step_tree",)),
        (count_kernel, ("step_counts",)),
        (circle_kernel, ("step_circle",)),
    )
    for module, names in kernels:
        for name in names:
            setattr(module, name, Compiles(getattr(module, name)))
    for text in capabilities:
        major, minor = map(int, text.split("."))
        triton.runtime.driver.set_active(Absent((major, minor)))
        vars(local_network)["capability_of"] = partial(absent_capability, (major, minor))
        compile_networks(NETWORKS + (WIDE if "--wide" in sys.argv else ()), (major, minor))
        compile_life((16384, 1, 1024) if "--wide" in sys.argv else (1, 1024))
        if "--wide" in sys.argv:
            compile_states(STATES + MORE_STATES)
        elif text == capabilities[0]:
            compile_states(STATES)


if __name__ == "__main__":
    main([argument for argument in sys.argv[1:] if not argument.startswith("-")])
