"""Cost of an eager step: its operations are counted, so that it is the same on a busy machine as on an idle one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aetheria.stepping.factories import Device


@dataclass(frozen=True)
class NominalMachine:
    """The rates of a machine that is typical enough to say what an eager step costs; none is measured.

    Attributes:
        operations: of torch, a second: the time to start one.
        values: read or written, a second.
        products: multiplications in matrix products and convolutions, a second.
    """

    operations: float
    values: float
    products: float


NOMINAL: Mapping[Device, NominalMachine] = {
    "cpu": NominalMachine(3e5, 2e9, 5e10),
    "cuda": NominalMachine(1e5, 3e11, 1e13),
}
_TRANSFORM = 20  # passes over the values that a Fourier transform counts as


class StepCost(TorchDispatchMode):
    """Counts the operations of torch inside the block, the values that they read and write, and their products."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.values = self.products = 0

    def seconds(self, device: Device, larger: float = 1.0) -> float:
        """What the counted operations take on a nominal machine, on tensors that are so many times as large."""
        machine = NOMINAL[device]
        work = self.values / machine.values + self.products / machine.products
        return self.operations / machine.operations + larger * work

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            name = func.overloadpacket.__name__
            tensors = [tensor for value in (*args, out) for tensor in _tensors(value)]
            self.operations += 1
            self.values += sum(tensor.numel() for tensor in tensors) * (_TRANSFORM if "fft" in name else 1)
            self.products += _products(name, args, out)
        return out


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [one for one in value if isinstance(one, Tensor)] if isinstance(value, list | tuple) else []


def _products(name: str, args: Any, out: Any) -> int:
    """Multiplications of a matrix product or a convolution; 0 for other operations."""
    if "conv" in name and len(args) > 1 and isinstance(out, Tensor):
        return int(max(out.numel(), args[0].numel()) * args[1][0].numel())
    if name in ("mm", "bmm", "matmul", "linear", "addmm", "baddbmm") and isinstance(out, Tensor):
        return int(out.numel() * args["add" in name].shape[-1])
    return 0
