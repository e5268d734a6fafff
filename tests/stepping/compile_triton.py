"""Compiles the Triton kernels for an H100, which need not be there, and prints their names.

python -m tests.stepping.compile_triton
"""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from aetheria.core.precision import Precision
from aetheria.laws import Law, Life
from aetheria.stepping.gpu import life_kernel, local_network_kernel
from aetheria.stepping.gpu.bit_packed_life import BLOCK, PASSES, PackedInPasses
from aetheria.stepping.gpu.local_network import FusedOnCuda
from tests.small_laws import fresh, small_law


class Absent:
    """Stands in for a driver: answers what Triton asks before it compiles."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

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
            uses_cores = "wgmma" in compiled.asm["ptx"]
            assert uses_cores == (options.get("product", "ieee") != "ieee")
            print(compiled.name)
            if compiled.name == "step_words":
                check_registers(compiled.asm["cubin"])

        return launch


def check_registers(cubin: bytes) -> None:
    """Packed Life's kernel spills no registers, and a processor has room for the twelve warps that `LANES` assumes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(cubin)
        command = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack = (int(re.findall(rf"{what}:(\d+)", said)[-1]) for what in ("REG", "STACK"))
    assert stack == 0, said
    assert registers <= 65536 // (3 * BLOCK), said  # of a processor, among three programs


def main() -> None:
    triton.runtime.driver.set_active(Absent())
    for module, names in ((local_network_kernel, ("step_cells", "mask_cells")), (life_kernel, ("step_words",))):
        for name in names:
            setattr(module, name, Compiles(getattr(module, name)))
    cases: tuple[tuple[str, Precision], ...] = (("MLP", "fp32"), ("DEEP_QCA", "tf32"), ("GrowingNCA", "bf16"))
    for name, precision in cases:
        law = small_law(name)
        assert isinstance(law, Law)
        cells, *memory = fresh(law, (16, 32))
        network = FusedOnCuda(law, precision)
        with torch.no_grad():
            network.step(*network.pack((cells, *memory)))
    grids: tuple[tuple[Life, int, tuple[int, ...]], ...] = (
        (Life(), 16384, PASSES),
        (Life(), 1000, PASSES[2:3]),
        (Life(boundary="zero"), 1, PASSES[2:3]),
        (Life("B0123478/S01234678", boundary="reflect"), 1024, PASSES[:1]),
    )
    for life, width, passes in grids:
        plan = PackedInPasses(life, torch.empty(1, 1, 1, width))
        for steps in passes:
            plan.advance((torch.empty(1, 2, -(-width // 64), dtype=torch.int64),), steps)


if __name__ == "__main__":
    main()
