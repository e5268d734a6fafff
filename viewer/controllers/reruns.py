"""Live runs from a recording: from its start, or from the frame in view. No Qt."""

from aetheria.core.errors import RecordingError
from aetheria.recording import Recording
from viewer.controllers.component import ComponentHost
from viewer.controllers.open_queue import OpenQueue
from viewer.sources.opening import rerun_config, resume_run
from viewer.sources.playback import RecordingSource


class RerunController:
    """Opens live runs of the open recording; does nothing without one."""

    def __init__(self, controller: ComponentHost, open_queue: OpenQueue) -> None:
        self.controller, self.open_queue = controller, open_queue

    def run_config(self) -> None:
        """Runs the recording's config from the start, without its edits."""
        source = self._source()
        if source is not None:
            config, title = source.recording.config, _title(source.recording)
            self.open_queue.open_made(title, lambda: rerun_config(config, title, self.open_queue.device))

    def continue_from_here(self) -> None:
        """Runs again from the start to the frame in view, with all edits, and continues live."""
        source = self._source()
        if source is not None:
            # By path: the source may be closed long before the run has come to the step.
            path, title, (_, step) = source.recording.path, _title(source.recording), source.position
            self.open_queue.open_made(
                f"{title} at step {step:,}", lambda: resume_run(path, step, title, self.open_queue.device)
            )

    def _source(self) -> RecordingSource | None:
        source = self.controller.source
        if not isinstance(source, RecordingSource):
            return None
        if not source.recording.config:
            path = source.recording.path
            self.controller.failed(
                RecordingError(f"{path}: does not hold the config of its run, because it was recorded by a program")
            )
            return None
        return source


def _title(recording: Recording) -> str:
    return str(recording.attributes["title"]) or recording.path.stem
