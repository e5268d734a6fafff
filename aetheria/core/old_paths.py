"""Import paths of version 0.1, which still work: `aetheria.replay` gives `aetheria.runs.replay`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_MOVED = {
    "bench": "diagnostics.bench",
    "cells": "motor.cells",
    "checkpoint": "runs.checkpoint",
    "circumstances": "runs.provenance",
    "colours": "observe.colour_maps",
    "config": "runs.config",
    "device": "core.device",
    "doctor": "diagnostics.doctor",
    "edit_log": "motor.edit_log",
    "edits": "motor.edits",
    "errors": "core.errors",
    "feed": "observe.feed",
    "fields": "observe.fields",
    "films": "export.movies",
    "hardware": "core.hardware",
    "initial": "motor.initial",
    "inputs": "files.untrusted",
    "interchange": "export.formats",
    "interrupts": "runs.signals",
    "laws.cell_network": "laws.local_network",
    "laws.chance": "laws.hash_noise",
    "laws.convlstm": "laws.quantum.convlstm",
    "laws.deep_qca": "laws.quantum.deep_qca",
    "laws.growing_nca": "laws.neural.growing_nca",
    "laws.lenia": "laws.continuous.lenia",
    "laws.life": "laws.discrete.life",
    "laws.mlp": "laws.quantum.mlp",
    "laws.neural_ca": "laws.neural.neural_ca",
    "laws.quantised": "laws.int8_weights",
    "laws.unet": "laws.quantum.unet",
    "memory": "core.memory_limits",
    "moments": "core.failpoints",
    "optimizer": "motor.optimizer",
    "patterns": "files.patterns",
    "pixels": "observe.downsample",
    "profiling": "diagnostics.profile_run",
    "progress": "cli.progress",
    "randomness": "core.rng_state",
    "repair": "recording.repair.repair",
    "replay": "runs.replay",
    "resume": "runs.resume",
    "run": "runs.run",
    "session": "runs.session",
    "settings": "core.settings",
    "state_file": "runs.state_file",
    "states": "motor.state",
    "stepper": "motor.stepper",
    "threads": "core.cpu_threads",
    "training_profile": "diagnostics.profile_training",
    "verify": "runs.verify",
}


class _OldPaths(MetaPathFinder, Loader):
    """Finds a moved module by its old name; both names give the same module."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        root, _, name = fullname.partition(".")
        return ModuleSpec(fullname, self) if root == "aetheria" and name in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(f"aetheria.{_MOVED[spec.name.partition('.')[2]]}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the spec of the old name there.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Makes the old paths importable, after all others."""
    if not any(isinstance(finder, _OldPaths) for finder in sys.meta_path):
        sys.meta_path.append(_OldPaths())
