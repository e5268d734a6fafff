"""`LawForms`: the forms for kernels that a law may announce, none of them by default."""

from aetheria.laws.forms import (
    BitRule,
    BlockRule,
    CircleRule,
    CountRule,
    DifferenceRule,
    FormulaRule,
    GateRule,
    PlaneRule,
    RowRule,
    ShiftingRule,
    TreeRule,
)
from aetheria.laws.local_network import CellNetwork
from aetheria.laws.ring_forms import RingKernels


class LawForms:
    """Methods that give a law in a form for kernels; see `aetheria.laws.forms` and `aetheria.stepping.unmodified`."""

    def cell_network(self) -> CellNetwork | None:
        """This law as a small network at every cell, with its present weights; None for a law of another form."""
        return None

    def bit_rule(self) -> BitRule | None:
        """This law as a two-state outer-totalistic rule on the Moore neighbourhood; None for a law of another form."""
        return None

    def row_rule(self) -> RowRule | None:
        """This law as a two-state rule on three cells of a row; None for a law of another form."""
        return None

    def block_rule(self) -> BlockRule | None:
        """This law as a rule of whole states on the block of 3x3 cells; None for a law of another form."""
        return None

    def count_rule(self) -> CountRule | None:
        """This law as a rule of whole states by counts over a neighbourhood; None for a law of another form."""
        return None

    def circle_rule(self) -> CircleRule | None:
        """This law as a rule of whole states in a circle, by counts of one state; None for a law of another form."""
        return None

    def difference_rule(self) -> DifferenceRule | None:
        """This law as one of second order, made of another law; None for a law of another form."""
        return None

    def plane_rule(self) -> PlaneRule | None:
        """This law as a rule on four planes of bits; None for a law of another form."""
        return None

    def shifting_rule(self) -> ShiftingRule | None:
        """This law as a rule on blocks of 2x2 cells that shift; None for a law of another form."""
        return None

    def tree_rule(self) -> TreeRule | None:
        """This law as a rule of whole states by a decision tree over the 3x3 block; None for a law of another form."""
        return None

    def ring_kernels(self) -> RingKernels | None:
        """This law as symmetric convolutions followed by growth curves; None for a law of another form."""
        return None

    def formula_rule(self) -> FormulaRule | None:
        """This law as a formula for the next value of each channel; None for a law of another form."""
        return None

    def gate_rule(self) -> GateRule | None:
        """This law as circuits of logic gates; None for a law of another form."""
        return None
