"""The law of a served run: its properties, as tools need them. It cannot be stepped here. No Qt."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from aetheria.core.errors import AetheriaError
from aetheria.laws import build_law
from aetheria.laws.base import Law, as_law
from aetheria.laws.forms import Animal
from aetheria.laws.rules import same_rule


class ServedLaw(Law):
    """A law that a server steps; its creatures are those of the law of that name here."""

    def __init__(self, welcome: Mapping[str, Any], rule: Callable[[], str]) -> None:
        """
        Args:
            welcome: of the server, with its "cells".
            rule: the present rule of the run; empty where it has no such parameter.
        """
        super().__init__()
        told = welcome["cells"]
        self._name, self._first_rule = str(welcome["law"]), str(told["rule"])
        self._rule = rule
        self.channels, self.states, self.d_state = int(welcome["channels"]), welcome["states"], welcome["d_state"]
        self.boundary = str(told["boundary"])
        low, high = told["value_range"]
        self.value_range = low, high
        self.palette = None if told["palette"] is None else [(red, green, blue) for red, green, blue in told["palette"]]
        self._live, self._rest = (torch.tensor(told[name], dtype=torch.float32) for name in ("live", "rest"))
        if len(self._live) != self.channels or len(self._rest) != self.channels:
            raise ValueError

    @property
    def name(self) -> str:
        return self._name

    @property
    def rule_string(self) -> str:
        return self._rule() or self._first_rule

    def obeys(self, rule: str) -> bool:
        return super().obeys(rule) or same_rule(rule, self.rule_string)

    def seed_cell(self) -> Tensor:
        return self._live

    def rest_cell(self) -> Tensor:
        return self._rest

    def creatures(self) -> Sequence[Animal]:
        try:
            law = as_law(build_law(self._name))
        except AetheriaError:  # a law that only the server knows, or that needs parameters
            return ()
        return law.creatures() if law.channels == self.channels else ()
