"""Samples of a served run, from the pictures of a connection of its own. No Qt."""

import threading
from collections import deque

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.serve.client import Refusal, RemoteRun
from aetheria.serve.protocol import MAX_SIDE, Picture, View
from viewer.model.plane import Plane
from viewer.sources.remote_messages import values_of
from viewer.sources.samples import Sample, SampleRequest, cell_of
from viewer.sources.source import close_at_exit

_WAIT_S = 0.25
_SMALLEST = 16  # pixels along a side of the picture that brings observables


class RemoteSampler:
    """Takes the pictures of one view as they come; values of fields are known to a part in 255 of the server's levels."""

    def __init__(self, address: str, plane: Plane, request: SampleRequest, numbers: bool) -> None:
        """
        Args:
            address: of the server; see `RemoteRun`.
            plane: of the grid.
            numbers: observables are sampled, no field.
        """
        self._address, self._plane, self._request, self._numbers = address, plane, request, numbers
        self._samples: deque[Sample] = deque(maxlen=4096 if numbers else 1)
        self._error: AetheriaError | None = None
        self._closed = threading.Event()
        self.thread = threading.Thread(target=self._receive, name="remote samples", daemon=True)
        self.thread.start()
        close_at_exit(self)

    def due(self) -> bool:
        return bool(self._samples) or self._error is not None

    def take(self) -> list[Sample]:
        if self._error is not None:
            raise self._error
        found = []
        while self._samples:
            found.append(self._samples.popleft())
        return found

    def close(self) -> None:
        self._closed.set()

    def _view(self) -> View:
        wanted = self._request
        cut, axis = (None, "z") if wanted.slice is None else (wanted.slice.cut, wanted.slice.axis)
        size = _SMALLEST if self._numbers else min(wanted.size, MAX_SIDE)
        field, observables = (None, wanted.fields) if self._numbers else (wanted.fields[0], ())
        return View(field, size, cut, wanted.universe or 0, observables, None, axis)

    def _receive(self) -> None:
        view = self._view()
        try:
            with RemoteRun(self._address) as run:
                run.choose(view)
                while not self._closed.is_set() and not run.ended:
                    message = run.receive(_WAIT_S)
                    if isinstance(message, Refusal):
                        raise ConfigError(message.message)
                    if isinstance(message, Picture) and self._is_of(message, view):
                        self._samples.append(self._sample(message))
        except AetheriaError as error:
            self._error = error

    def _is_of(self, picture: Picture, view: View) -> bool:
        """Whether it is no picture of the view that every connection begins with."""
        shown, wanted = picture.view, view
        same = (shown.cut, shown.axis, shown.universe) == (wanted.cut, wanted.axis, wanted.universe)
        return same and set(picture.observables) == set(wanted.observables) and wanted.field in (None, picture.field)

    def _sample(self, picture: Picture) -> Sample:
        if self._numbers:
            return Sample(picture.step, {name: np.asarray(picture.observables[name]) for name in self._request.fields})
        image: NDArray[np.float64] = values_of(picture)[0].double().numpy()
        if picture.channels == 3 and not self._request.colours:
            image = image.mean(0)
        values = {self._request.fields[0]: image}
        return Sample(picture.step, values, cell_of(self._plane, self._request, values))
