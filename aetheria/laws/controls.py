"""Controls: parameters of a law that can be changed between steps, without a restart or a recompile."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, LawError, nearest

Value = float | str


def _exact(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def _positive(value: float) -> bool:
    return value > 0


def _not_negative(value: float) -> bool:
    return value >= 0


def _any(_: float) -> bool:
    return True


@dataclass(frozen=True)
class Control:
    """A number of a law that may be changed between two steps.

    Attributes:
        name: of the law's attribute.
        meaning: in words, with its unit.
        low, high: ends of a slider; all values between them are allowed, others may be.
        allowed: whether a finite number is allowed.
        wanted: the condition that `allowed` checks, in words.
        as_tensor: makes the tensor `()` that compiled code reads: float64, to be cast to the law's type, or an integer.
    """

    name: str
    meaning: str
    low: float
    high: float
    allowed: Callable[[float], bool] = _positive
    wanted: str = "a finite number above 0"
    as_tensor: Callable[[float], Tensor] = _exact

    def checked(self, value: Any, where: str) -> float:
        """`value` as a float. Raises ConfigError when it is not an allowed number."""
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and self.allowed(float(value))):
            raise ConfigError(f"{where} {self.name}: {value!r} given; expected {self.wanted}")
        return float(value)


def rate_control(name: str, meaning: str, low: float, high: float) -> Control:
    """A control that may be 0 or more."""
    return Control(name, meaning, low, high, _not_negative, "a finite number of 0 or more")


def number_control(name: str, meaning: str, low: float, high: float) -> Control:
    """A control that may be any finite number."""
    return Control(name, meaning, low, high, _any, "a finite number")


@dataclass(frozen=True)
class TextControl:
    """A text of a law that may be changed between two steps, like the rule of `Life`.

    Attributes:
        name: of the law's attribute, which checks what it is given.
        meaning: in words, with an example.
    """

    name: str
    meaning: str


class Controlled(nn.Module):
    """A module with controls.

    A number reads and writes as a float attribute. Compiled code would treat a float as a constant and be recompiled for each
    value, so `live` gives it as a tensor of one element, a buffer outside the state dict.

    Attributes:
        controls: the controls, in the order of display.
    """

    controls: ClassVar[tuple[Control | TextControl, ...]] = ()

    def get_control(self, name: str) -> Value:
        """The present value of a control, a list where it differs by universe. Raises ConfigError when none has this name."""
        value = getattr(self, self._control(name).name)
        found: Any = value.tolist() if isinstance(value, Tensor) else value
        return found

    def set_control(self, name: str, value: Value) -> None:
        """Changes a control from the next step on.

        Raises:
            ConfigError: no such control, or a value that the constructor would refuse; the law is as it was.
        """
        control = self._control(name)
        held = getattr(self, name)
        if isinstance(control, Control) and isinstance(held, Tensor):  # a parameter of the module, to be learned
            given: Any = value
            numbers = [control.checked(one, self._where()) for one in given] if isinstance(given, list) else None
            if numbers is not None and held.shape != (len(numbers),):
                raise ConfigError(f"{self._where()} {name}: {len(numbers)} values given; expected {held.numel()}")
            with torch.inference_mode():
                held.copy_(torch.tensor(control.checked(value, self._where()) if numbers is None else numbers))
        else:
            setattr(self, name, value)

    def live(self, name: str) -> Tensor:
        """A number, for use in `forward`, as a tensor `()` that changes in place."""
        buffer = self._buffers.get(_buffer(name))
        return getattr(self, name) if buffer is None else buffer

    def spread(self, name: str, cells: Tensor) -> Tensor:
        """A number as a tensor that multiplies cells `(B, C, *grid)`: `()`, or `(B, 1, ..)` where it differs by universe.

        Raises:
            LawError: it is given for another number of universes.
        """
        value = self.live(name)
        if value.ndim == 0:
            return value
        if value.shape != cells.shape[:1]:
            raise LawError(
                f"{self._where()} {name}: a tensor of shape {tuple(value.shape)} given; expected one number, or one for each "
                f"of the {len(cells)} universes"
            )
        return value.view(-1, *[1] * (cells.ndim - 1))

    def each(self, name: str) -> float | tuple[float, ...]:
        """A number as a float, or a float for each universe, for kernels."""
        value = getattr(self, name)
        if not isinstance(value, Tensor):
            return float(value)
        return float(value) if value.ndim == 0 else tuple(value.tolist())

    def live_value(self, control: Control, value: float) -> Tensor:
        """The tensor that `live` gives for a value of a control: by default its `as_tensor`, else say a table of chances."""
        return control.as_tensor(value)

    def __setattr__(self, name: str, value: Any) -> None:
        control = next((c for c in self.controls if c.name == name), None)
        if not isinstance(control, Control):
            super().__setattr__(name, value)
        elif isinstance(value, Tensor):  # the user's own tensor is used as it is
            self._buffers.pop(_buffer(name), None)
            super().__setattr__(name, value)
        else:
            checked = control.checked(value, self._where())
            super().__setattr__(name, checked)  # type: ignore[arg-type]  # torch's stub knows tensors and modules only
            self._mirror(control, checked)

    def _mirror(self, control: Control, value: float) -> None:
        """Writes a number into its buffer; in place where there is one, because compiled code holds its address."""
        tensor = self.live_value(control, value)
        held = self._buffers.get(_buffer(control.name))
        if held is None:
            own = tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor
            self.register_buffer(_buffer(control.name), own, persistent=False)
        else:
            with torch.inference_mode():
                held.copy_(tensor)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # by torch's stubs
        for control in self.controls:  # a cast from float32 to float64 restores the digits that float32 had cut off
            if isinstance(control, Control) and _buffer(control.name) in self._buffers:
                self._mirror(control, getattr(self, control.name))
        return self

    def _control(self, name: str) -> Control | TextControl:
        for control in self.controls:
            if control.name == name:
                return control
        known = [control.name for control in self.controls]
        said = nearest(name, known) if known else "it has none"
        raise ConfigError(f'{self._where()} control: "{name}" given; {said}')

    def _where(self) -> str:
        return f"[law.{getattr(self, 'name', type(self).__name__).lower()}]"


def _buffer(name: str) -> str:
    return f"live_{name}"
