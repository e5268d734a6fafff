"""Parameters of the law, changed while it runs. No Qt."""

from collections.abc import Callable, Mapping

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.laws.controls import Control, TextControl, Value
from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.component import Component, ComponentHost
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

# Names as on the LifeWiki, "List of Life-like rules".
KNOWN_RULES: Mapping[str, str] = {
    "Life": "B3/S23",
    "HighLife": "B36/S23",
    "Day & Night": "B3678/S34678",
    "Seeds": "B2/S",
    "Life without Death": "B3/S012345678",
    "Maze": "B3/S12345",
    "Replicator": "B1357/S1357",
    "2x2": "B36/S125",
    "Diamoeba": "B35678/S5678",
    "Anneal": "B4678/S35678",
}


class ParameterController(Component):
    """The controls of the open run.

    Attributes:
        controls: the controls in their order of display.
        values: the present values, by name.
        problems: reasons why the last new value of a control was refused, by name.
        listeners: called when any of these changed.
    """

    def __init__(self, controller: ComponentHost) -> None:
        super().__init__(controller)
        self.controls: tuple[Control | TextControl, ...] = ()
        self.values: dict[str, Value] = {}
        self.problems: dict[str, str] = {}
        self.listeners: list[Callable[[], None]] = []
        self._first: dict[str, Value] = {}
        self._asked: dict[str, int] = {}  # number of requests by control: answers to older ones are ignored

    def set(self, name: str, value: Value) -> None:
        """Changes a control from the next step on; a refusal goes into `problems`."""
        source = self.controller.source
        if isinstance(source, LiveSource):
            turn = self._asked[name] = self._asked.get(name, 0) + 1

            def is_set(answer: tuple[Value, str]) -> None:
                if source is self.controller.source and turn == self._asked[name]:
                    self._is_set(name, *answer)

            source.submit(lambda: _set(source, name, value), is_set, f"control {name}")

    def reset(self, name: str) -> None:
        """Restores the initial value of a control."""
        self.set(name, self._first[name])

    def reset_all(self) -> None:
        """Restores the initial values of all controls."""
        for name in self._first:
            self.reset(name)

    def start_again(self, motor: Aetheria_Motor) -> None:
        """Restarts the run with the initial values of all controls; called in the worker thread.

        Raises:
            StateError: a recorder is running.
        """
        present = {name: motor.get_control(name) for name in self._first}
        _set_all(motor, self._first)  # before the restart: initial cells may depend on the rule, and the edit log starts there
        try:
            motor.restart()
        except AetheriaError:
            _set_all(motor, present)
            raise

    def is_changed(self, name: str) -> bool:
        """Whether a control differs from its initial value."""
        return self.values[name] != self._first[name]

    def _is_set(self, name: str, value: Value, problem: str) -> None:
        self.values[name] = value
        self.problems.pop(name, None)
        if problem:
            self.problems[name] = problem
        self._notify()

    # -- component -----------------------------------------------------------------------------------------------

    def opened(self, source: FrameSource) -> None:
        if isinstance(source, LiveSource):
            found = {control: source.motor.get_control(control.name) for control in source.motor.traits.controls}
            # One that differs by universe is a list, and has no slider.
            self.values = {control.name: value for control, value in found.items() if isinstance(value, float | str)}
            self.controls = tuple(control for control in found if control.name in self.values)
            self._first = dict(self.values)
        self._notify()

    def closed(self) -> None:
        self.controls, self.values, self.problems, self._first = (), {}, {}, {}
        self._notify()

    def restarted(self) -> None:
        source = self.controller.source
        if isinstance(source, LiveSource):
            self.values = {name: source.motor.get_control(name) for name in self.values}
            self.problems = {}
            self._notify()

    def _notify(self) -> None:
        for listener in list(self.listeners):
            listener()


def _set_all(motor: Aetheria_Motor, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        if motor.get_control(name) != value:
            motor.set_control(name, value)


def _set(source: LiveSource, name: str, value: Value) -> tuple[Value, str]:
    """Sets a control in the worker thread; returns the value that holds now, and the reason of a refusal."""
    problem = ""
    try:
        source.motor.set_control(name, value)
    except ConfigError as error:
        problem = str(error).partition("] ")[2] or str(error)  # without "[law.life] ": it is shown beside the field
    else:
        source.refresh()
    return source.motor.get_control(name), problem
