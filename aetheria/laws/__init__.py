"""The laws: one file each, in a folder for each family; `LAWS` holds the registered ones by name.

A law is registered by `@register` above its class: every module in the folders of this package is imported here.
"""

from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

from aetheria.laws.base import Law as Law
from aetheria.laws.continuous.lenia import lenia_animal as lenia_animal
from aetheria.laws.registry import LAWS as LAWS
from aetheria.laws.registry import build_law as build_law
from aetheria.laws.registry import family_of as family_of
from aetheria.laws.registry import find_law as find_law
from aetheria.laws.registry import laws_by_family as laws_by_family
from aetheria.laws.registry import parameters as parameters
from aetheria.laws.registry import plugins as plugins
from aetheria.laws.registry import register as register
from aetheria.laws.rules import law_from_rule as law_from_rule
from aetheria.laws.updates import Quantum as Quantum
from aetheria.laws.updates import Residual as Residual
from aetheria.laws.weights import load_weights as load_weights

if TYPE_CHECKING:  # type checkers do not follow `__getattr__`
    from aetheria.laws.continuous.lenia import Lenia as Lenia
    from aetheria.laws.discrete.generations import Generations as Generations
    from aetheria.laws.discrete.larger_than_life import LargerThanLife as LargerThanLife
    from aetheria.laws.discrete.life import Life as Life
    from aetheria.laws.discrete.rule_table import RuleTable as RuleTable
    from aetheria.laws.neural.attention_nca import AttentionNCA as AttentionNCA
    from aetheria.laws.neural.growing_nca import GrowingNCA as GrowingNCA
    from aetheria.laws.neural.logic_gates import LogicGates as LogicGates
    from aetheria.laws.neural.nca import NCA as NCA
    from aetheria.laws.neural.neural_ca import NeuralCA as NeuralCA
    from aetheria.laws.quantum.convlstm import ConvLSTM as ConvLSTM
    from aetheria.laws.quantum.deep_qca import DEEP_QCA as DEEP_QCA
    from aetheria.laws.quantum.dirac_qca import DiracQCA as DiracQCA
    from aetheria.laws.quantum.learned_qca import LearnedQCA as LearnedQCA
    from aetheria.laws.quantum.mlp import MLP as MLP
    from aetheria.laws.quantum.quantum_walk import QuantumWalk as QuantumWalk
    from aetheria.laws.quantum.unet import UNet as UNet

for _found in walk_packages(__path__, f"{__name__}."):
    import_module(_found.name)


def __getattr__(name: str) -> Any:
    if name not in LAWS:
        raise AttributeError(f"module 'aetheria.laws' has no attribute {name!r}")
    return LAWS[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *LAWS})
