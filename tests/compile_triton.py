"""Compiles the kernels for an H100, with or without one, and prints their names: `python -m tests.compile_triton`."""

from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget

from aetheria.laws import Law
from aetheria.optimizer import Precision
from aetheria.stepping import triton_kernels
from aetheria.stepping.triton_network import FusedOnCuda
from tests.small_laws import fresh, small_law


class Absent:
    """What Triton asks a driver before it compiles."""

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
            # Wide products go to the tensor cores; float32's narrow ones do not.
            uses_cores = "wgmma" in compiled.asm["ptx"]
            assert uses_cores == (options.get("product", "ieee") != "ieee")
            print(compiled.name)

        return launch


def main() -> None:
    triton.runtime.driver.set_active(Absent())
    for name in ("step_cells", "judge"):
        setattr(triton_kernels, name, Compiles(getattr(triton_kernels, name)))
    cases: tuple[tuple[str, Precision], ...] = (("MLP", "fp32"), ("DEEP_QCA", "tf32"), ("GrowingNCA", "bf16"))
    for name, precision in cases:
        law = small_law(name)
        assert isinstance(law, Law)
        cells, *memory = fresh(law, (16, 32))
        network = FusedOnCuda(law, precision)
        with torch.no_grad():
            network.step(*network.hold((cells, *memory)))


if __name__ == "__main__":
    main()
