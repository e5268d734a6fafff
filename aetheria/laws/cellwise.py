"""A mark for methods that make cells, each from what is there alone, so that parts of a grid can be made by themselves."""

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])


def cellwise(method: Method) -> Method:
    """Marks a method: a cell depends on its own numbers alone, drawn by one call of torch for the grid each.

    A method that replaces it is not marked, unless it says so itself.
    """
    method.cellwise = True  # type: ignore[attr-defined]
    return method


def is_cellwise(method: Callable[..., Any]) -> bool:
    """Whether a method is marked."""
    return getattr(method, "cellwise", False)
