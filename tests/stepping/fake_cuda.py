"""Fake tensors on device "cuda": shapes, types and devices of every operation, without values and without a GPU.

A tensor on the CPU that a step mixes with those on the GPU raises, and so does a value read from the device.
"""

import ctypes
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map

from aetheria.laws.base import Law
from aetheria.observe import downsample
from aetheria.stepping.cpu.build import compiler

CUDA = torch.device("cuda", 0)


class OnCuda(FakeTensorMode):
    """Fakes tensors on CUDA alone: those on the CPU keep their values, from which tables are made."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tree_leaves((args, kwargs))
        if any(isinstance(one, FakeTensor) or (isinstance(one, torch.device) and one.type == "cuda") for one in given):
            args, kwargs = tree_map(self._faked, (args, kwargs))
            return super().__torch_dispatch__(func, types, args, kwargs)
        return func(*args, **kwargs)

    def _faked(self, value: Any) -> Any:
        return self.from_tensor(value) if isinstance(value, Tensor) and not isinstance(value, FakeTensor) else value


@cache
def _guard() -> ctypes.CDLL | None:
    """What lets a CPU build of torch carry such tensors; a CUDA build has it."""
    if torch.version.cuda is not None:
        return None
    command = compiler()
    if command is None:
        pytest.skip("fake tensors on CUDA need a C++ compiler with a CPU build of torch")
    torch_folder = Path(torch.__file__).parent
    source = Path(__file__).with_name("no_op_guard.cpp")
    with TemporaryDirectory() as folder:
        library = Path(folder) / "guard.so"
        options = ["-std=c++20", "-shared", "-fPIC", f"-I{torch_folder / 'include'}", f"-L{torch_folder / 'lib'}", "-lc10"]
        subprocess.run([command, str(source), *options, "-o", str(library)], check=True)
        return ctypes.CDLL(str(library))


@contextmanager
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inside, new tensors on CUDA are fake, and autocast believes in the GPU."""
    _guard()
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    try:
        with OnCuda():
            yield
    finally:  # or a test with a GPU would find tables without values
        downsample._parts.cache_clear()
        downsample._strips.cache_clear()


def on_cuda(tensor: Tensor) -> Tensor:
    """A fake tensor on CUDA like this one."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=CUDA)


def moved(law: Law) -> Law:
    """The law with fake parameters and buffers on CUDA; made before, outside of `fake_cuda`, with real ones."""
    for module in law.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(on_cuda(parameter), requires_grad=False)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = on_cuda(buffer)
    return law.eval()
