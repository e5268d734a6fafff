"""Faults to inject into runs and recordings, and the results of injecting them."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FaultResult:
    """The result of injecting a fault.

    Attributes:
        runs: number of injections.
        failures: a line for each injection with an unexpected result.
        summary: figures for the report.
    """

    runs: int = 0
    failures: list[str] = field(default_factory=list)
    summary: str = ""


@dataclass(frozen=True)
class Fault:
    """A fault of a run or a recording.

    Attributes:
        name, expected: for the report: the fault, and the required behaviour.
        inject: injects it the given number of times.
        few, many: number of injections in the tests and in `make soak`; few is 0 where one takes too long for the tests.
    """

    name: str
    expected: str
    inject: Callable[[int], FaultResult]
    few: int
    many: int
