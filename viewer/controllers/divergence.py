"""Divergence guard: pauses a source that shows NaN or infinity. No Qt."""

from viewer.controllers.component import Component, ComponentHost
from viewer.model.frame import RenderedFrame
from viewer.model.messages import Message
from viewer.sources.source import FrameSource


class DivergenceGuard(Component):
    """Checks frames for NaN and Inf."""

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self._since: int | None = None  # the first step with a frame that was not finite
        self._last = 0

    def worth_showing(self, frame: RenderedFrame) -> bool:
        """Whether a frame is finite. Otherwise pauses: a recording once, a run every time it is started again."""
        source = self.controller.source
        if frame.finite or source is None:
            self._since = None
            return True
        first = self._since is None
        self._since = frame.step if self._since is None else self._since
        if first or (source.live and source.runs and frame.step != self._last):
            source.play(False)
            self.controller.view.show_message(Message("warning", _words(source, self._since)))
        self._last = frame.step
        return False

    def opened(self, source: FrameSource) -> None:
        self._since = None

    def restarted(self) -> None:
        self._since = None


def _words(source: FrameSource, step: int) -> str:
    if not source.live:
        return (
            f"The frame of step {step:,} holds NaN or Inf: paused. The last finite frame stays; playing goes on to the "
            "next finite one."
        )
    if not source.runs:
        return f"The cells hold NaN or Inf at step {step:,}. The last finite frame stays, while your own code goes on stepping."
    return (
        f"The cells hold NaN or Inf at step {step:,}: paused. The last finite frame stays. Reset the run, or change the law's "
        "parameters and go to an earlier step."
    )
