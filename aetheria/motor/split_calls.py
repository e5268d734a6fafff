"""Public calls of a motor on a split grid: rank 0 carries them out, and the other processes follow until it has."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from aetheria.core.errors import StateError
from aetheria.split.grid import SplitGrid

Given = ParamSpec("Given")
Result = TypeVar("Result")


class Splittable(Protocol):
    """A motor, whose grid may be split."""

    @property
    def split(self) -> SplitGrid | None:
        """The split of its grid; None for one process."""


Motor = TypeVar("Motor", bound=Splittable)
Method = Callable[Concatenate[Motor, Given], Result]


def led(method: Method[Motor, Given, Result]) -> Method[Motor, Given, Result]:
    """A call that every process makes, with the arguments of rank 0; all get its result, or its error.

    Rank 0 may also make it alone: the others take part the next time they call the motor.
    """

    @wraps(method)
    def call(self: Motor, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        split = self.split
        if split is None:
            return method(self, *args, **kwargs)
        if split.leads:
            return split.processes.lead(method.__name__, lambda: method(self, *args, **kwargs))
        result: Any = split.processes.follow(method.__name__)
        return result

    return cast("Method[Motor, Given, Result]", call)


def on_leader(method: Method[Motor, Given, Result]) -> Method[Motor, Given, Result]:
    """A call for rank 0 alone.

    Raises:
        StateError: another process makes it.
    """

    @wraps(method)
    def call(self: Motor, *args: Given.args, **kwargs: Given.kwargs) -> Result:
        if self.split is not None and not self.split.leads:
            raise StateError(
                f"{method.__name__}: called on rank {self.split.processes.mesh.rank}; expected on rank 0, which leads"
            )
        return method(self, *args, **kwargs)

    return cast("Method[Motor, Given, Result]", call)
