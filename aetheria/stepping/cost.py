"""Cost of an eager step: its operations are counted, so that it is the same on a busy machine as on an idle one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from aetheria.stepping.plan_factory import Device


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


class StepCost(TorchFunctionMode):
    """Counts the operations of torch inside the block, the values that they read and write, and their products."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.values = self.products = 0

    def seconds(self, device: Device, larger: float = 1.0) -> float:
        """Seconds of the counted operations on a nominal machine, on tensors that are so many times as large."""
        machine = NOMINAL[device]
        work = self.values / machine.values + self.products / machine.products
        return self.operations / machine.operations + larger * work

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        given, made = [tensor for value in (*args, *kwargs.values()) for tensor in _tensors(value)], _tensors(out)
        name = getattr(func, "__name__", "")
        if made and (name.endswith("_") or not _are_views(made, given)):
            self.operations += 1
            self.values += sum(tensor.numel() for tensor in (*given, *made)) * (_TRANSFORM if "fft" in name else 1)
            self.products += _products(name, given, made[0])
        return out


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [one for one in value if isinstance(one, Tensor)] if isinstance(value, list | tuple) else []


def _are_views(made: list[Tensor], given: list[Tensor]) -> bool:
    storages = {tensor.untyped_storage().data_ptr() for tensor in given}
    return all(tensor.untyped_storage().data_ptr() in storages for tensor in made)


def _products(name: str, given: list[Tensor], made: Tensor) -> int:
    """Multiplications of a matrix product or a convolution; 0 for other operations."""
    if "conv" in name and len(given) > 1:
        return max(made.numel(), given[0].numel()) * given[1][0].numel()
    if name in ("mm", "bmm", "matmul", "linear", "addmm", "baddbmm") and given[0].ndim:
        return made.numel() * given["add" in name].shape[-1]
    return 0
