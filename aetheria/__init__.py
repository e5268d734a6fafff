"""Aetheria: cellular automata in PyTorch. See README.md for the three ways of use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aetheria.core.old_paths import install
from aetheria.core.version import __version__ as __version__

install()

if TYPE_CHECKING:  # type checkers do not follow `__getattr__`
    from aetheria.core.errors import AetheriaError as AetheriaError
    from aetheria.core.errors import ConfigError as ConfigError
    from aetheria.core.errors import DiskFullError as DiskFullError
    from aetheria.core.errors import DivergedError as DivergedError
    from aetheria.core.errors import FileUnreadableError as FileUnreadableError
    from aetheria.core.errors import LawError as LawError
    from aetheria.core.errors import RecordingError as RecordingError
    from aetheria.core.errors import StateError as StateError
    from aetheria.core.memory_limits import forced as forced
    from aetheria.laws import DEEP_QCA as DEEP_QCA
    from aetheria.laws import LAWS as LAWS
    from aetheria.laws import MLP as MLP
    from aetheria.laws import ConvLSTM as ConvLSTM
    from aetheria.laws import GrowingNCA as GrowingNCA
    from aetheria.laws import Law as Law
    from aetheria.laws import Lenia as Lenia
    from aetheria.laws import Life as Life
    from aetheria.laws import NeuralCA as NeuralCA
    from aetheria.laws import Quantum as Quantum
    from aetheria.laws import Residual as Residual
    from aetheria.laws import UNet as UNet
    from aetheria.laws import build_law as build_law
    from aetheria.laws import law_from_rule as law_from_rule
    from aetheria.laws import lenia_animal as lenia_animal
    from aetheria.laws import load_weights as load_weights
    from aetheria.motor.motor import Aetheria_Motor as Aetheria_Motor
    from aetheria.motor.motor import MotorConfig as MotorConfig
    from aetheria.motor.successor import resized as resized
    from aetheria.motor.successor import under_law as under_law
    from aetheria.recording import Recorder as Recorder
    from aetheria.recording import Recording as Recording
    from aetheria.runs.simulate import simulate as simulate


_HOME = {
    "aetheria.laws": "LAWS Law Quantum Residual build_law law_from_rule lenia_animal load_weights",
    "aetheria.core.memory_limits": "forced",
    "aetheria.motor.motor": "Aetheria_Motor MotorConfig",
    "aetheria.motor.successor": "resized under_law",
    "aetheria.recording": "Recorder Recording",
    "aetheria.runs.simulate": "simulate",
    "aetheria.core.errors": (
        "AetheriaError ConfigError LawError StateError DivergedError FileUnreadableError RecordingError DiskFullError"
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    # Imported on first use: the command line must answer --help without waiting for torch.
    if name == "__all__":
        return __dir__()
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    # Any other class is a law. Python asks for names in lower case too, before it imports a submodule of that name.
    laws = import_module("aetheria.laws").LAWS if name[0].isupper() else {}
    if name not in laws:
        raise AttributeError(f"module 'aetheria' has no attribute {name!r}")
    return laws[name]


def __dir__() -> list[str]:
    return sorted([*_MODULE_OF, *import_module("aetheria.laws").LAWS, "__version__"])
