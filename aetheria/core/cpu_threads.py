"""The number of threads that torch computes with on the CPU."""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

_outside = threading.local()


def threads_outside() -> int:
    """torch's number of threads outside of `one_thread`, for our own kernels, which start threads themselves."""
    return getattr(_outside, "threads", None) or torch.get_num_threads()


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Lets torch compute in the calling thread alone inside the block; other threads are unaffected.

    Work of a millisecond is not worth more threads: OpenMP's other threads would spin for as long again after it, on cores
    that the next steps or a window need. Where torch's OpenMP cannot be reached, as on Windows, nothing changes.
    """
    openmp = _openmp() if wanted else None
    if openmp is None:
        yield
        return
    # OpenMP keeps this number for each thread; `torch.set_num_threads` would also set it for threads that begin meanwhile.
    before = torch.get_num_threads()  # in a new thread, also what sets OpenMP's number
    outer = getattr(_outside, "threads", None)
    _outside.threads = outer or before
    openmp.omp_set_num_threads(1)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(before)
        _outside.threads = outer


@cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP that torch computes with."""
    try:
        library = ctypes.CDLL(torch._C.__file__)  # symbols of the libraries that it depends on are found, too
        _ = library.omp_set_num_threads
    except (OSError, AttributeError):
        return None
    return library
