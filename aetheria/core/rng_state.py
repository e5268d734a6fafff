"""The states of the process's random generators (torch, Python, NumPy) as tensors, so that a file can hold them."""

import random
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

NAMES = ("random_cpu", "random_cuda", "random_python", "random_numpy")


def random_states(device: torch.device) -> dict[str, Tensor]:
    """The states of the generators by name: torch's of the CPU and of a GPU as bytes, the others int64.

    NumPy's is left out where its global generator was replaced by one of another kind.
    """
    found = {"random_cpu": torch.get_rng_state()}
    if device.type == "cuda":
        found["random_cuda"] = torch.cuda.get_rng_state(device)
    version, words, spare = random.getstate()
    found["random_python"] = torch.tensor([*words, version, spare is not None, _bits(spare or 0.0)])
    state: Any = np.random.get_state()  # noqa: NPY002 - the generator that foreign modules draw from
    if state[0] == "MT19937":
        found["random_numpy"] = torch.tensor([*map(int, state[1]), state[2], state[3], _bits(state[4])])
    return found


def set_random_states(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Sets the generators that are named; others stay as they are.

    Raises:
        ValueError, TypeError, RuntimeError, IndexError, OverflowError: a value is no state of its generator.
    """
    if "random_cpu" in states:
        torch.set_rng_state(states["random_cpu"])
    if "random_cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["random_cuda"], device)
    if "random_python" in states:
        *words, version, spare, bits = states["random_python"].tolist()
        random.setstate((version, tuple(words), _float(bits) if spare else None))
    if "random_numpy" in states:
        *words, position, spare, bits = states["random_numpy"].tolist()
        np.random.set_state(("MT19937", np.array(words, np.uint32), position, spare, _float(bits)))  # noqa: NPY002


@contextmanager
def random_states_kept(device: torch.device) -> Iterator[None]:
    """Puts the generators back after the block to where they were before it."""
    before = random_states(device)
    try:
        yield
    finally:
        set_random_states(before, device)


def _bits(value: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", value))[0])


def _float(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<q", bits))[0])
