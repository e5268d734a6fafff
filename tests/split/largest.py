"""The largest tensor that torch makes in a block."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Largest(TorchDispatchMode):
    """Attributes:
    numbers: in the largest tensor that an operation gave.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, torch.Tensor) and value.dtype != torch.uint8:  # bytes are views of others here
                self.numbers = max(self.numbers, value.untyped_storage().nbytes() // value.element_size())
        return found
