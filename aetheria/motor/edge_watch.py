"""Notices when live cells reach the edges of the grid for the first time: from then on the size of the grid matters."""

from torch import Tensor

from aetheria.core.printable import get_logger
from aetheria.laws.base import Law
from aetheria.motor.stepper import Stepper

log = get_logger(__name__)
_BEYOND = {"zero": "cells beyond it count as dead", "reflect": "it mirrors them", "periodic": "they go on at the opposite edge"}
_FEW = 4  # edge cells that a pattern may fill: those of a grid with one axis
_LEAST = 4  # steps between two checks: a spaceship of three cells needs as many to leave an edge
_MANY = 200  # checks of cells near an edge, after which these are taken to stay there, and looked at less and less often


class EdgeWatch:
    """Watches the edges of a grid on which a pattern grows into empty space.

    Only laws of whole states have such a pattern, and only universes whose edges are empty at first are watched: of random
    cells nothing is said. A universe whose empty space comes alive (B0) is no longer watched either, nor is a split grid.

    Checks are as far apart as cells may be looked at without a cost that shows, and nearer where live cells could reach an edge
    before the next one.

    Attributes:
        step: number of steps by which live cells were found at an edge; None if they never were.
        due: the step of the next check; None for none.
    """

    def __init__(self, stepper: Stepper, interval: int) -> None:
        """
        Args:
            stepper: of the cells.
            interval: steps between two checks while no live cell is near an edge.
        """
        self.step: int | None = None
        self._stepper, self._interval = stepper, interval
        self._watched: Tensor | None = None  # by universe; None until the next step begins
        self._near = 0  # checks that found cells near an edge
        self._possible = stepper.law.states is not None and stepper.law.alive == (0, 0.5) and stepper.split is None
        self.due: int | None = None

    def begin(self, anew: bool = False) -> None:
        """Looks at the edges again before the next step: the cells were changed.

        Args:
            anew: by a restart or another state; what was found before no longer holds.
        """
        self._watched, self._near = None, 0
        if anew:
            self.step = None

    def check(self) -> None:
        """Looks for live cells at the edges if that is due; says once that there are some."""
        if not self._possible or self.step is not None:
            return
        step = self._stepper.step
        if self._watched is None:
            self._watched = (self._stepper.margin() > 0).cpu()
            self.due = step
        if self.due is not None and step >= self.due:
            self.look()
            self.due = step + self._wait() if self.step is None and self._watched.any() else None

    def look(self) -> None:
        """Looks for live cells at the edges now."""
        if self._watched is None or self.step is not None or not self._watched.any():
            return
        live = (self._stepper.edges() != 0).cpu()
        if live.shape[1] > _FEW:
            self._watched &= ~live.all(1)
        if (found := live.any(1) & self._watched).any():
            self.step = self._stepper.step
            self._say(self._stepper.law, f" in universe {int(found.int().argmax())}" if len(found) > 1 else "")

    def _wait(self) -> int:
        """Steps to the next check."""
        margin = int(self._stepper.margin().cpu()[self._watched].min())
        steps = min(self._interval, max(_LEAST, margin // (self._stepper.law.radius or 1)))
        self._near += steps < self._interval
        return min(self._interval, steps << max(0, self._near - _MANY) // 8)

    def _say(self, law: Law, where: str) -> None:
        beyond = _BEYOND.get(law.boundary, f'they go on where boundary "{law.boundary}" joins it')
        log.warning(
            f"{law.name}: live cells reached the edge of the grid by step {self.step:,}{where}; {beyond}. "
            "A larger grid gives other cells from here on",
            extra={"severity": "note"},
        )
