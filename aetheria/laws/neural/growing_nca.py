"""Growing NCA: a neural automaton that grows a picture from one cell and heals it."""

from aetheria.laws.base import PLOTTED
from aetheria.laws.checks import Boundary
from aetheria.laws.neural.nca import ALIVE, ALPHA, NCA
from aetheria.laws.registry import register


@register
class GrowingNCA(NCA):
    """`NCA` with the preset "growing": perceive (identity, Sobel x, Sobel y), then a per-cell network, at a random half of the
    cells each step.

    Cells: channels 0..2 colour premultiplied by alpha, channel 3 alpha, the rest hidden. A cell lives while alpha > 0.1
    somewhere in its Moore neighbourhood before and after the update; a dead cell is zero. On grids of one and three axes there
    is one gradient for each axis.

    Source: A. Mordvintsev et al., "Growing Neural Cellular Automata", Distill 2020, doi:10.23915/distill.00023.
    """

    radius = 2
    alive = (ALPHA, ALIVE)
    default_field = "rgb"
    fields = ("rgb", "channel", "population", "mass", "energy", "density", "gradient", *PLOTTED)
    default_initial = "seed"

    def __init__(
        self,
        channels: int = 16,
        hidden_channels: int = 128,
        *,
        rank: int = 2,
        fire_rate: float = 0.5,
        boundary: Boundary = "periodic",
    ) -> None:
        """
        Args:
            channels: C >= 4.
            hidden_channels: width of the hidden layer.
            rank: number of grid axes, 1, 2 or 3.
            fire_rate: chance that a cell updates in a step, 0 < fire_rate <= 1.
            boundary: of perception and of the alive mask.

        Raises:
            ConfigError: an argument outside its range.
        """
        super().__init__(channels, hidden_channels, rank=rank, fire_rate=fire_rate, boundary=boundary)
