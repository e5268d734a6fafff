"""Settings of all tests, and the `gpu` marker."""

import os

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported: it has no GPU to compile for


os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported: tests need no screen


def pytest_configure() -> None:
    # On cores shared with anything else, OpenMP's threads wait for each other by spinning: small grids step 30 times slower.
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="no CUDA device here")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)
