"""Observables against each other: phase portraits and Poincare sections. No Qt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_KEPT = 8192  # steps


@dataclass(frozen=True)
class Trajectory:
    """Observables at successive steps.

    Attributes:
        names: of the observables.
        steps: `(n,)`, rising.
        values: `(n, len(names))`.
        every: steps from one sample to the next; where more are missing the samples are not neighbours.
    """

    names: tuple[str, ...]
    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    every: int

    def values_of(self, name: str) -> NDArray[np.float64]:
        """`(n,)` of one observable."""
        return self.values[:, self.names.index(name)]

    @property
    def neighbours(self) -> NDArray[np.bool_]:
        """`(n - 1,)`, whether no step is missing between a sample and the next."""
        return np.diff(self.steps) <= self.every


def upward_crossings(trigger: NDArray[np.float64], level: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where values `(n,)` cross a level upwards.

    Returns:
        Indices i with trigger[i] < level <= trigger[i + 1], and the share of the way from i to i + 1 at which a straight line
        meets the level, in (0, 1].
    """
    at = np.flatnonzero((trigger[:-1] < level) & (trigger[1:] >= level))
    return at, (level - trigger[at]) / (trigger[at + 1] - trigger[at])


def section(run: Trajectory, across: str, up: str, trigger: str, level: float) -> NDArray[np.float64]:
    """The Poincare section: points `(m, 2)` of two observables where a third crosses a level upwards.

    Between two samples all three are taken as straight lines.

    Source: H. Poincare, "Les methodes nouvelles de la mecanique celeste", volume 3, chapter 27, 1899.
    """
    at, share = upward_crossings(run.values_of(trigger), level)
    joined = run.neighbours[at]
    at, share = at[joined], share[joined]
    columns = [run.values_of(name) for name in (across, up)]
    return np.stack([(1 - share) * column[at] + share * column[at + 1] for column in columns], 1)


class PortraitView:
    """Samples some observables at every update, of a recording those of all frames.

    Attributes:
        names: the observables.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        names = tuple(dict.fromkeys(name for name in self.names if name in source.observables))
        if len(source.observables) < 2 or not names:
            return "This needs two observables, and the source has fewer."
        settings = model.view_settings
        return SampleRequest(names, "every", every=model.stride, universe=0 if settings is None else settings.universe)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Trajectory | None]:
        kept: deque[tuple[int, list[float]]] = deque(maxlen=_KEPT)

        def collect(samples: list[Sample]) -> Trajectory | None:
            for sample in samples:
                if kept and sample.step <= kept[-1][0]:
                    kept.clear()  # it went back
                kept.append((sample.step, [float(sample.values[name]) for name in request.fields]))
            if not kept:
                return None
            steps = np.array([step for step, _ in kept])
            every = max(request.every, int(np.diff(steps).min(initial=1 << 62))) if len(steps) > 1 else request.every
            return Trajectory(request.fields, steps, np.array([values for _, values in kept]), every)

        return collect
