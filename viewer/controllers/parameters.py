"""Parameters of the law, changed while it runs. No Qt."""

from collections.abc import Callable, Mapping
from typing import Protocol

from aetheria.core.errors import AetheriaError, ConfigError
from aetheria.laws.controls import Control, TextControl, Value
from aetheria.laws.registry import LAWS
from aetheria.laws.rules import NAMES, read_rule
from aetheria.laws.rules.tables import SHIPPED
from aetheria.motor.motor import Aetheria_Motor
from viewer.controllers.boundaries import BOUNDARY, known_boundaries
from viewer.controllers.component import Component, ComponentHost
from viewer.sources.elsewhere import ControlledSource
from viewer.sources.live import LiveSource
from viewer.sources.source import FrameSource

# A few of `aetheria.laws.rules.NAMES`, of several families; any of them may be typed.
_KNOWN = (
    *(
        "Life",
        "HighLife",
        "Day & Night",
        "Seeds",
        "Life without Death",
        "Maze",
        "Replicator",
        "2x2",
        "Diamoeba",
        "Walled Cities",
    ),
    *("Brian's Brain", "Star Wars", "Bosco"),
)
KNOWN_RULES: Mapping[str, str] = {name: NAMES[name] for name in _KNOWN} | {name: name for name in SHIPPED}
ANY_RULE = TextControl("rule", "of any family, as B36/S23, 345/2/4 or WireWorld; the cells stay")


Failed = Callable[[AetheriaError], object]


class Successors(Protocol):
    """Goes on from the cells of the open run under another rule or boundary; see `SuccessorController`."""

    def change_rule(self, text: str, failed: Failed) -> None: ...
    def change_boundary(self, text: str, failed: Failed) -> None: ...


class ParameterController(Component):
    """The controls of the open run; every law of whole states has a rule, which may be of another family.

    The boundary is among them, for laws that have one.

    Attributes:
        controls: the controls in their order of display.
        values: the present values, by name.
        problems: reasons why the last new value of a control was refused, by name.
        known: values to choose from by a name for people, by name of the control.
        listeners: called when any of these changed.
    """

    def __init__(self, controller: ComponentHost, successors: Successors) -> None:
        super().__init__(controller)
        self._successors = successors
        self.controls: tuple[Control | TextControl, ...] = ()
        self.values: dict[str, Value] = {}
        self.problems: dict[str, str] = {}
        self.known: dict[str, Mapping[str, str]] = {}
        self.listeners: list[Callable[[], None]] = []
        self._first: dict[str, Value] = {}
        self._asked: dict[str, int] = {}  # number of requests by control: answers to older ones are ignored

    def set(self, name: str, value: Value) -> None:
        """Changes a control from the next step on; a refusal goes into `problems`."""
        source, elsewhere = self.controller.source, self._elsewhere
        if elsewhere is not None:
            elsewhere.set_control(name, value)
            self._notify()  # the value that holds is shown until the answer is there
        if not isinstance(source, LiveSource):
            return
        if name == BOUNDARY.name:
            self._set_boundary(source, str(value))
            return
        turn = self._asked[name] = self._asked.get(name, 0) + 1

        def is_set(answer: tuple[Value, str]) -> None:
            if source is not self.controller.source or turn != self._asked[name]:
                return
            before, problem = answer
            if problem and name == "rule" and source.motor.traits.states is not None:
                problem = rule_problem(str(value))  # of any family, not of the present law's
                if not problem:
                    self._successors.change_rule(str(value), lambda error: self._is_set(name, before, str(error)))
                    return
            self._is_set(name, before, problem)

        source.submit(lambda: _set(source, name, value), is_set, f"control {name}")

    def _set_boundary(self, source: LiveSource, text: str) -> None:
        present = source.motor.traits.boundary
        if text == present:
            self._is_set(BOUNDARY.name, present, "")
        else:
            self._successors.change_boundary(text, lambda error: self._is_set(BOUNDARY.name, present, _beside(error)))

    def forget_problem(self, name: str) -> None:
        """The value that was refused is given up: the one that holds is shown again."""
        self.problems.pop(name, None)
        self._notify()

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
        first = {control.name: self._first[control.name] for control in motor.traits.controls}
        present = {name: motor.get_control(name) for name in first}
        _set_all(motor, first)  # before the restart: initial cells may depend on the rule, and the edit log starts there
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

    def tick(self) -> None:
        source = self._elsewhere
        if source is not None and dict(source.values) != self.values:
            self.values = dict(source.values)
            self._first = self.values | self._first  # the first that were told
            self.known = self.known or {"rule": rules_by_name(source.law.name)}
            self.controls = tuple(
                control for control in source.controls if isinstance(self.values.get(control.name), float | str)
            )
            self._notify()

    def opened(self, source: FrameSource) -> None:
        if isinstance(source, LiveSource):
            law = source.motor.traits
            found = {control: law.get_control(control.name) for control in law.controls}
            # One that differs by universe is a list, and has no slider.
            self.values = {control.name: value for control, value in found.items() if isinstance(value, float | str)}
            self.controls = tuple(control for control in found if control.name in self.values)
            if law.states is not None:
                self.values.setdefault("rule", law.rule_string)
                self.controls = (ANY_RULE, *(control for control in self.controls if control.name != "rule"))
            self.known = {
                "rule": rules_by_name(),
                BOUNDARY.name: known_boundaries(law),
            }
            if self.known[BOUNDARY.name]:
                self.values[BOUNDARY.name] = law.boundary
                self.controls = (*self.controls, BOUNDARY)
            self._first = dict(self.values)
        self._notify()

    def closed(self) -> None:
        self.controls, self.values, self.problems, self.known, self._first = (), {}, {}, {}, {}
        self._notify()

    def restarted(self) -> None:
        source = self.controller.source
        if isinstance(source, LiveSource):
            self.values |= {control.name: source.motor.get_control(control.name) for control in source.motor.traits.controls}
            self.problems = {}
            self._notify()

    @property
    def _elsewhere(self) -> ControlledSource | None:
        """The open source, where its law is elsewhere."""
        source: object = self.controller.source
        return source if isinstance(source, ControlledSource) else None

    def _notify(self) -> None:
        for listener in list(self.listeners):
            listener()


def rules_by_name(law: str = "") -> dict[str, str]:
    """Well-known rules, each by its name and text; of one law alone where that is given, since a server keeps its law."""
    rules = KNOWN_RULES.items()
    return {f"{name}  {rule}": rule for name, rule in rules if not law or read_rule(rule).law == law}


def rule_problem(text: str) -> str:
    """Why no law runs the rule of a text, for people; empty if one does."""
    try:
        rule = read_rule(text)
    except ConfigError as error:
        return str(error).partition("given; ")[2]
    if rule.grid is not None:
        return "the grid and its edges stay; leave out the part after the colon"
    return "" if rule.law is not None else f"{rule.family}; no law of Aetheria runs it yet"


def rule_in_words(text: str) -> str:
    """Family of the rule of a text, and in one line what the law does that runs it; empty for a text that is no rule.

    >>> rule_in_words("345/2/4")
    'Generations: two-state rule with decaying cells, exact'
    """
    try:
        rule = read_rule(text)
    except ConfigError:
        return ""
    law = LAWS.get(rule.law or "")
    first = "" if law is None else (law.__doc__ or "").partition("\n")[0].rstrip(".")
    return ": ".join(filter(None, (rule.family, first[:1].lower() + first[1:])))


def _set_all(motor: Aetheria_Motor, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        if motor.get_control(name) != value:
            motor.set_control(name, value)


def _set(source: LiveSource, name: str, value: Value) -> tuple[Value, str]:
    """Sets a control in the worker thread; returns the value that holds now, and the reason of a refusal."""
    problem, law = "", source.motor.traits
    if name not in {control.name for control in law.controls}:
        return law.rule_string, "" if value == law.rule_string else rule_problem(str(value)) or "it is for another law"
    try:
        source.motor.set_control(name, value)
    except ConfigError as error:
        problem = _beside(error)
    else:
        source.refresh()
    return source.motor.get_control(name), problem


def _beside(error: AetheriaError) -> str:
    """The text of an error without "[law.life] ": it is shown beside the field."""
    return str(error).partition("] ")[2] or str(error)
