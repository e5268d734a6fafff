"""The speed of a run that a server steps, as all its readers see it. No Qt."""

from viewer.controllers.component import Component, ComponentHost
from viewer.sources.elsewhere import SharedSpeed
from viewer.sources.source import FrameSource


class SharedSpeedController(Component):
    """Keeps the window's speed that of the server, also when another reader changes it; the own speed comes back afterwards."""

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self._own: tuple[float | None] | None = None  # while a served run is open

    def opened(self, source: FrameSource) -> None:
        if source.elsewhere:
            self._own = (self.controller.model.speed,)
        self.tick()

    def closed(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            self.controller.model.set(speed=own[0])

    def tick(self) -> None:
        source: object = self.controller.source
        if isinstance(source, SharedSpeed) and source.speed_known:
            told, model = source.shared_speed, self.controller.model
            model.set(speed=None if told is None else told / model.stride)
