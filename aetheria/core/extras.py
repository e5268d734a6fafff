"""Optional packages: their uses, and how to install them. Aetheria itself is installed from its source, not from an index."""

from importlib.util import find_spec
from typing import NamedTuple


class Extra(NamedTuple):
    """An optional package.

    Attributes:
        module: name by which it is imported.
        package: name by which it is installed.
        use: in words.
        extra: of Aetheria's own package that brings it; "" for none.
    """

    module: str
    package: str
    use: str
    extra: str = ""


EXTRAS = (
    Extra("PySide6", "PySide6-Essentials", "the viewer", "viewer"),
    Extra("pyqtgraph", "pyqtgraph", "the viewer", "viewer"),
    Extra("av", "av", "MP4 films", "video"),
    Extra("xarray", "xarray", "Recording.to_xarray, simulate, plots", "analysis"),
    Extra("h5netcdf", "h5netcdf", "Recording.to_xarray", "analysis"),
    Extra("matplotlib", "matplotlib", "plots", "plot"),
    Extra("hdf5plugin", "hdf5plugin", "the codecs fast and compact", "codecs"),
    Extra("zarr", "zarr", "export --zarr", "zarr"),
    Extra("pyarrow", "pyarrow", "Parquet tables of sweeps", "table"),
    Extra("pandas", "pandas", "tables of sweeps in pandas", "table"),
    Extra("optuna", "optuna", "sweeps with [search]", "search"),
    Extra("ribs", "ribs", "sweeps that fill an archive", "search"),
    Extra("ray", "ray", "sweep --on ray", "cluster"),
    Extra("submitit", "submitit", "sweep --on slurm", "slurm"),
    Extra("websockets", "websockets", "watching a run from elsewhere", "serve"),
    Extra("anywidget", "anywidget", "live pictures in notebooks", "notebook"),
    Extra("tensorboard", "tensorboard", "following a training", "train"),
    Extra("sklearn", "scikit-learn", "trainings on its digits", "digits"),
    Extra("wandb", "wandb", "following a training by --track wandb", "wandb"),
    Extra("triton", "triton", "the fastest plans on CUDA devices"),
)


def installed(module: str) -> bool:
    """Whether an optional package is installed; it is not imported."""
    return find_spec(module) is not None


def from_source(extra: str) -> str:
    """The command that installs an extra.

    >>> from_source("viewer")
    "pip install '.[viewer]' in the folder of Aetheria's source"
    """
    return f"pip install '.[{extra}]' in the folder of Aetheria's source"


VIEWER_NEEDS = f"the viewer needs PySide6 and pyqtgraph: {from_source('viewer')}"
