"""Aetheria: cellular automata in PyTorch. See README.md for the three ways of use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aetheria.core.old_paths import install
from aetheria.core.version import __version__ as __version__

install()

if TYPE_CHECKING:
    from aetheria.core.memory_limits import forced as forced
    from aetheria.laws import DEEP_QCA as DEEP_QCA
    from aetheria.laws import MLP as MLP
    from aetheria.laws import ConvLSTM as ConvLSTM
    from aetheria.laws import GrowingNCA as GrowingNCA
    from aetheria.laws import Law as Law
    from aetheria.laws import Lenia as Lenia
    from aetheria.laws import Life as Life
    from aetheria.laws import Quantum as Quantum
    from aetheria.laws import Residual as Residual
    from aetheria.laws import UNet as UNet
    from aetheria.laws import build_law as build_law
    from aetheria.motor.motor import Aetheria_Motor as Aetheria_Motor
    from aetheria.motor.motor import MotorConfig as MotorConfig
    from aetheria.recording import Recorder as Recorder
    from aetheria.recording import Recording as Recording


_HOME = {
    "aetheria.laws": (
        "DEEP_QCA MLP ConvLSTM GrowingNCA Law Lenia Life Quantum Residual UNet build_law LAWS lenia_animal load_weights"
    ),
    "aetheria.core.memory_limits": "forced",
    "aetheria.motor.motor": "Aetheria_Motor MotorConfig",
    "aetheria.recording": "Recorder Recording",
    "aetheria.core.errors": (
        "AetheriaError ConfigError LawError StateError DivergedError FileUnreadableError RecordingError DiskFullError"
    ),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
__all__ = sorted([*_MODULE_OF, "__version__"])


def __getattr__(name: str) -> Any:
    # Imported on first use: the command line must answer --help without waiting for torch.
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'aetheria' has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
