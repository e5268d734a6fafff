"""Settings of all tests: threads, extras that are not installed, and the `gpu` marker."""

import os
import signal
from collections.abc import Generator, Iterator
from importlib.util import find_spec

import pytest
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before Triton is imported: it has no GPU to compile for

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before Qt is imported: tests need no screen
os.environ.setdefault("PYTEST_QT_API", "pyside6")
# On cores shared with anything else, OpenMP's threads wait for each other by spinning: small grids step 30 times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the processes that tests start

# Packages of the extras. A GPU machine may have none of them: `pytest -m gpu` needs the core dependencies and pytest.
EXTRAS = (
    "PySide6",
    "av",
    "fontTools",
    "h5netcdf",
    "hdf5plugin",
    "hypothesis",
    "optuna",
    "pyarrow",
    "pyqtgraph",
    "pytestqt",
    "ray",
    "ribs",
    "submitit",
    "tensorboard",
    "vtkmodules",
    "websockets",
    "xarray",
    "zarr",
)
collect_ignore = [] if find_spec("PySide6") and find_spec("pytestqt") else ["viewer"]


def pytest_configure() -> None:
    # A background job of a shell has SIGINT ignored, and so would the processes that tests start.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    if find_spec("hypothesis"):
        from hypothesis import settings

        # The same cases in every run: `pytest --hypothesis-profile default` draws others.
        settings.register_profile("repeatable", derandomize=True)
        settings.load_profile("repeatable")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips a test module that imports an extra which is not installed."""
    report = yield
    call = getattr(report, "call", None)
    error = call.excinfo.value.__cause__ if call and call.excinfo else None
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
        report.outcome, report.longrepr = "skipped", (str(collector.path), 1, f"Skipped: {error.name} is not installed")
        vars(report).pop("call")  # or a debugger would be told of a failure
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="no CUDA device here")
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(skip)


@pytest.fixture
def kept_laws() -> Iterator[None]:
    """Gives the registry of laws back as it was."""
    from aetheria.laws import LAWS

    before = dict(LAWS)
    yield
    LAWS.clear()
    LAWS.update(before)
