"""The description of a saved state, which is JSON in its file."""

from typing import Annotated, Any

from pydantic import Field as Setting

from aetheria.core.settings import Settings
from aetheria.recording.append import ResumePoint
from aetheria.runs.provenance import Provenance
from aetheria.split.tile_files import TileFile

IN_PARTS = 3  # version of a state whose tensors are in several files


class StateDescription(Settings):
    """The description of a saved state.

    Attributes:
        version: of the file format.
        law: name of its class.
        shape: (B, C, *grid).
        step, seed: as for `Aetheria_Motor.state_dict`.
        config: the run's config as TOML; empty for a motor that was not built from one.
        made: provenance of the run; None in version 1.
        weights_sha256: of the law's tensors, with the values that its controls had; empty in version 1.
        controls: values of the law's controls.
        position: of the recording, in a checkpoint.
        law_state: values other than tensors that the law's modules keep themselves.
        parts: files of tiles, one for each process of a split grid; none for a state in one file.
        tiled: shapes over the whole grid of the tensors that are in the parts, by name.
    """

    version: int
    law: str
    shape: tuple[int, ...] = Setting(strict=False)
    step: int = Setting(ge=0)
    seed: int = Setting(ge=0, lt=1 << 63)
    config: str = ""
    made: Provenance | None = None
    weights_sha256: str = ""
    controls: dict[str, float | str] = Setting(default_factory=dict)
    position: ResumePoint | None = None
    law_state: dict[str, Any] = Setting(default_factory=dict)
    parts: list[TileFile] = Setting(default_factory=list)
    tiled: dict[str, Annotated[tuple[Annotated[int, Setting(gt=0)], ...], Setting(strict=False)]] = Setting(
        default_factory=dict
    )

    def to_json(self) -> str:
        """The text in a file; version 2 knows no parts."""
        return self.model_dump_json(exclude=None if self.parts else {"parts", "tiled"})
