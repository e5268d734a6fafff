"""The best weights of a training, with notes and pictures."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.files.atomic import atomic_write
from aetheria.laws.base import Law
from aetheria.runs.config_tables import LawConfig
from aetheria.training.learner import write_law


@dataclass(frozen=True)
class Note:
    """A validation whose weights are kept.

    Attributes:
        error: by which weights are compared.
        step: of the training.
        text: its figures.
    """

    error: float
    step: int
    text: str

    @property
    def name(self) -> str:
        """Of its files, without their endings."""
        return f"step_{self.step:06}"


class BestWeights:
    """The weights with the lowest errors in a folder `best`: `step_000400.safetensors` and `.png`, and notes in `notes.csv`."""

    def __init__(self, folder: Path, count: int, law: LawConfig, training: str) -> None:
        """
        Args:
            folder: of the training; kept weights in it are taken over.
            count: number of weights that are kept; 0 for none.
            law, training: stored with the weights; see `write_law`.
        """
        self._folder, self._count, self._law, self._training = folder / "best", count, law, training
        self.notes = self._read()

    def wants(self, error: float) -> bool:
        """Whether weights with this error would be kept."""
        return len(self.notes) < self._count or bool(self._count and error <= self.notes[-1].error)

    def offer(self, error: float, step: int, figures: dict[str, float], law: Law, pixels: NDArray[np.uint8]) -> None:
        """Keeps these weights, if they are among the best so far."""
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        note = Note(error, step, text)
        others = [other for other in self.notes if other.step != step]
        kept = sorted([*others, note], key=lambda one: (one.error, -one.step))[: self._count]
        if note not in kept:
            return
        self._folder.mkdir(exist_ok=True)
        write_law(law, self._law, self._training, self._folder / f"{note.name}.safetensors")
        with atomic_write(self._folder / f"{note.name}.png") as temporary:
            Image.fromarray(pixels).save(temporary)
        self.notes = kept
        self._write()
        names = {note.name for note in kept}
        for file in self._folder.glob("step_*"):  # also those that a kill left before they were noted
            if file.stem not in names and file.suffix in (".safetensors", ".png"):
                file.unlink(missing_ok=True)

    def _write(self) -> None:
        with atomic_write(self._folder / "notes.csv") as temporary, temporary.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("error", "step", "figures"))
            rows.writerows((repr(note.error), note.step, note.text) for note in self.notes)

    def _read(self) -> list[Note]:
        path = self._folder / "notes.csv"
        if not path.exists():
            return []
        with path.open(newline="") as file:
            return [Note(float(error), int(step), text) for error, step, text in list(csv.reader(file))[1:]]
