"""A frame: the fields of the cells at one step, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aetheria.core.errors import NoSuchFieldError, nearest
from aetheria.core.notebook import html_table
from aetheria.core.printable import printable
from aetheria.observe.request import Request
from aetheria.observe.thumbnail import thumbnail


@dataclass(frozen=True, eq=False, repr=False)
class Frame(Mapping[str, NDArray[np.generic]]):
    """The fields of one subscription at one step, as a mapping from their names.

    Two frames are equal if their step, names and values are, NaN equal to NaN.

    Attributes:
        step: steps done when it was made.
        wall_time: seconds since the epoch.
        fields: by name, `(B, *size)`, "rgb" `(B, 3, *size)`, observables `(B,)`; reading one waits for its transfer.
        request: of the subscription; None in a recording.
        edits: number of edits that the motor had ever logged; in a recording, of those in `Recording.edits` before the frame.
    """

    step: int
    wall_time: float
    fields: Mapping[str, NDArray[np.generic]]
    request: Request | None = None
    edits: int = 0

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        """The field of that name.

        Raises:
            NoSuchFieldError: there is none; it is a KeyError, too.
        """
        if name not in self:
            raise NoSuchFieldError(f'frame of step {self.step}: no field "{name}"; {nearest(str(name), list(self))}')
        return self.fields[name]

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)  # no value is read

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Frame):
            return NotImplemented
        return self.step == other.step and set(self) == set(other) and all(_equal(self[name], other[name]) for name in self)

    __hash__ = None  # type: ignore[assignment]  # as a dict: it is compared by its arrays

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the arrays themselves: they may be on their way from a device, or in a file."""
        return Frame, (self.step, self.wall_time, dict(self.fields), self.request, self.edits)

    def __repr__(self) -> str:
        return f"<Frame: step {self.step:,}, {printable(', '.join(self))}>"

    def _repr_html_(self) -> str:
        rows: dict[str, Any] = {"step": f"{self.step:,}"}
        png = None
        try:
            for name in self:
                values = self[name]
                rows[name] = f"{values.shape} {values.dtype}"
                if png is None and values.ndim > 1:
                    png = thumbnail(values[0], name)
        except Exception as error:  # noqa: BLE001 - a notebook shows the rest instead of a traceback
            rows["note"] = error
        return html_table("Frame", rows, png)


def _equal(one: NDArray[np.generic], other: NDArray[np.generic]) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
