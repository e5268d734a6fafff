"""Hypothesis, for modules with GPU tests: where it is not installed, only the tests of generated input are skipped."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING or find_spec("hypothesis"):
    from hypothesis import given, settings
    from hypothesis import strategies as st
    from hypothesis.extra.numpy import arrays
else:

    class Anything:
        """Every attribute and every result of a call is another one."""

        def __getattr__(self, name: str) -> Any:
            return Anything()

        def __call__(self, *_: Any, **__: Any) -> Any:
            return Anything()

    st, arrays = Anything(), Anything()

    def given(*_: Any, **__: Any) -> pytest.MarkDecorator:
        return pytest.mark.skip(reason="Hypothesis is not installed")

    def settings(*_: Any, **__: Any) -> pytest.MarkDecorator:
        return pytest.mark.filterwarnings()


__all__ = ["arrays", "given", "settings", "st"]
