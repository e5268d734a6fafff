"""Panels that show samples in the colours of the canvas."""

import numpy as np
from numpy.typing import NDArray

from viewer.model.frame import RenderedFrame
from viewer.model.palette import colour_table
from viewer.model.view_settings import Levels
from viewer.panels.dynamics.base import DynamicsPanel
from viewer.sources.samples import Sample


class PaintedPanel(DynamicsPanel[Sample]):
    """Shows the newest sample of the displayed field; drawn again when colours or levels of the canvas change."""

    _painted: tuple[str, Levels] | None = None  # field and levels of the canvas

    def model_changed(self, names: frozenset[str]) -> None:
        if names & {"theme", "view_settings"}:
            self.update_picture()

    def show_frame(self, frame: RenderedFrame) -> None:
        if self._painted != (frame.field, frame.levels):
            self._painted = frame.field, frame.levels
            self.update_picture()

    def colours_of(self, sample: Sample, most: int | None = None) -> NDArray[np.uint8] | None:
        """Colours `(..., h, w, 3)` of a sample of one field, of its first `most` universes.

        None while the sample, or the frame with the levels, is of another field than the displayed one.
        """
        settings, choice, frame = self.controller.model.view_settings, self.controller.choice, self.controller.frame
        ((field, values),) = sample.values.items()
        if settings is None or choice is None or frame is None or not field == settings.field == frame.field:
            return None
        shown, (low, high) = values[:most], frame.levels
        if frame.log:
            shown, low, high = np.log(np.maximum(shown, low)), np.log(low), np.log(high)
        share = np.nan_to_num((shown - low) / (high - low))
        pixels = np.clip(share * 255, 0, 255).round().astype(np.uint8)
        return np.moveaxis(pixels, -3, -1) if field == "rgb" else colour_table(settings, choice)[pixels]
