"""The flow of density, estimated from two successive frames. No Qt."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viewer.model.model import ViewerModel
from viewer.sources.samples import Sample, SampleRequest
from viewer.sources.source import FrameSource

_SIDE = 256
_ACROSS = 20  # arrows along the longest side
_SMOOTH = 1.5  # values: the gradient of a sharp edge says nothing about a way of a whole cell
_RIDGE = 1e-4  # of the largest structure tensor: pulls the velocity to 0 where nothing can be seen to move
_LEAST = 1e-2  # of the largest structure tensor: no arrow below


@dataclass(frozen=True)
class Flow:
    """Velocities at the points of a raster.

    Attributes:
        step: step of the second frame.
        density: the second frame `(h, w)`.
        cell: (height, width) of a value in cells.
        at: places `(n, 2)` of the arrows as (y, x) in cells; only where something can be seen to move or to stand.
        velocity: `(n, 2)` as (y, x) in cells per step.
    """

    step: int
    density: NDArray[np.float64]
    cell: tuple[float, float]
    at: NDArray[np.float64]
    velocity: NDArray[np.float64]


def velocities(
    before: NDArray[np.float64], after: NDArray[np.float64], block: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Velocities `(n, 2)` (y, x) in values per frame at the centres `(n, 2)` of blocks, and the trust `(n,)` in each, 0 to 1.

    The continuity equation d rho / dt + div(rho u) = 0, for a velocity that is even over a window, is
    rho_t + u . grad(rho) = 0. Its least-squares solution over the window is

        (sum of w g g^T + ridge) u = - sum of w g rho_t,    g = grad rho, w a Gaussian as wide as a block.

    Both frames are smoothed first, and taken as periodic. Only the part of a velocity along the gradient can be seen (the
    aperture problem): along a straight edge the other part is 0.

    Source: B. D. Lucas, T. Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision",
    Proceedings of the 7th International Joint Conference on Artificial Intelligence, 1981.

    Args:
        before, after: densities `(h, w)`.
        block: side of a block in values.
    """
    before, after = _smoothed(before, _SMOOTH), _smoothed(after, _SMOOTH)
    middle, change = (before + after) / 2, after - before
    slopes = [(np.roll(middle, -1, axis) - np.roll(middle, 1, axis)) / 2 for axis in (0, 1)]
    products = (slopes[0] ** 2, slopes[0] * slopes[1], slopes[1] ** 2, slopes[0] * change, slopes[1] * change)
    height, width = before.shape
    rows, columns = (np.arange(min(block, side) // 2, side, block) for side in (height, width))
    yy, yx, xx, yt, xt = (_smoothed(product, block / 2)[np.ix_(rows, columns)].ravel() for product in products)
    trace = yy + xx
    largest = trace.max(initial=0.0)
    yy, xx = yy + _RIDGE * largest, xx + _RIDGE * largest
    determinant = np.maximum(yy * xx - yx**2, np.finfo(np.float64).tiny)
    velocity = np.stack((yx * xt - xx * yt, yx * yt - yy * xt), 1) / determinant[:, None]
    centres = np.stack(np.meshgrid(rows + 0.5, columns + 0.5, indexing="ij"), -1).reshape(-1, 2)
    return velocity, centres, trace / largest if largest > 0 else np.zeros_like(trace)


def _smoothed(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Convolved with a Gaussian of this standard deviation on the torus, by its Fourier transform."""
    decay = [np.exp(-2 * (np.pi * width * np.fft.fftfreq(side)) ** 2) for side in values.shape]
    return np.fft.ifft2(np.fft.fft2(values) * decay[0][:, None] * decay[1]).real


def flow_of(before: Sample, after: Sample, field: str) -> Flow | None:
    """The flow between two samples; None where they hold NaN or Inf."""
    first, second = before.values[field], after.values[field]
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None
    velocity, at, trust = velocities(first, second, max(1, round(max(first.shape) / _ACROSS)))
    seen, cell = trust > _LEAST, np.array(after.cell)
    return Flow(after.step, second, after.cell, at[seen] * cell, velocity[seen] * cell / (after.step - before.step))


class FlowView:
    """Samples the displayed field in pairs of frames."""

    def request(self, source: FrameSource, model: ViewerModel) -> SampleRequest | str:
        settings = model.view_settings
        if settings is None:
            return "There is no field to show."
        return SampleRequest((settings.field,), "pairs", size=_SIDE, universe=settings.universe, slice=settings.slice)

    def collector(self, request: SampleRequest) -> Callable[[list[Sample]], Flow | None]:
        def collect(samples: list[Sample]) -> Flow | None:
            if len(samples) < 2 or samples[0].step >= samples[1].step:
                return None
            return flow_of(samples[0], samples[1], request.fields[0])

        return collect
