"""Saves and loads images, states and configs. No Qt."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.block import Block
from aetheria.core.device import times
from aetheria.core.errors import ConfigError
from aetheria.export.patterns import save_cells
from aetheria.files.atomic import atomic_write
from aetheria.motor.motor import Aetheria_Motor
from aetheria.observe.downsample import interleaved, quantise
from aetheria.runs.config import RunConfig
from aetheria.runs.state_description import StateDescription
from aetheria.runs.state_file import load_state, save_state
from viewer.controllers.component import Component
from viewer.model.messages import Message
from viewer.model.palette import colour_table, mixed
from viewer.model.plane import Plane
from viewer.model.region import Region
from viewer.model.view_settings import FieldChoice, Levels, ViewSettings
from viewer.sources.live import LiveSource


class SaveController(Component):
    """Saves and loads in the source's own thread, and reports the result."""

    # -- images -------------------------------------------------------------------------------------------------

    def save_image(self, pixels: NDArray[np.uint8], path: Path) -> None:
        """Writes pixels `(h, w, 3)` as PNG."""
        source = self.controller.source
        if source is not None:
            source.submit(lambda: _save_png(pixels, path), lambda _: self._note(f"Saved {path.name}."))

    # -- patterns ------------------------------------------------------------------------------------------------

    def save_cells(self, path: Path, *, selected: bool = False) -> None:
        """Saves cells of the displayed universe as a pattern (.rle), an array (.npy) or an image of the displayed field (.png).

        Args:
            selected: only the selected cells; else all.
        """
        source, model, plane = self.controller.source, self.controller.model, self.controller.plane
        if not isinstance(source, LiveSource) or plane is None or model.view_settings is None:
            return
        region = model.selection if selected else None
        if selected and region is None:
            self._note("Nothing is selected: drag with the selection tool (L), or select all (Ctrl+A)")
            return
        frame = self.controller.frame
        if path.suffix.lower() == ".png" and frame is not None:
            choices = {choice.name: choice for choice in source.fields}
            levels = (frame.levels, *frame.other_levels)
            job = CellsImage(model.view_settings, choices, plane, levels).job(region, path)
        else:
            job = _save_job(path, model.view_settings.universe, plane, region)
        source.submit_with_motor(job, lambda words: self._note(f"Saved {path.name}: {words}."))

    # -- states --------------------------------------------------------------------------------------------------

    def save_state(self, path: Path) -> None:
        """Saves cells, memory, step and seed, with the present config."""
        source = self.controller.source
        if isinstance(source, LiveSource):
            config = self.config_toml() if source.config is not None else ""
            source.submit_with_motor(
                lambda motor: save_state(motor, path, config),
                lambda saved: self._note(f"Saved the state at step {saved.step:,} in {path.name}."),
            )

    def load_state(self, path: Path) -> None:
        """Continues from a saved state of this law and grid, paused."""
        source = self.controller.source
        if isinstance(source, LiveSource):
            source.submit_paused(lambda _: _load(source, path), lambda loaded: self._loaded(path, loaded))

    def _loaded(self, path: Path, loaded: StateDescription) -> None:
        for component in self.controller.components:
            component.restarted()
        self._note(f"Loaded {path.name}: step {loaded.step:,}.")

    # -- configs -------------------------------------------------------------------------------------------------

    def config_toml(self) -> str:
        """The config of the open source as TOML, with the present seed and controls.

        Raises:
            ConfigError: the source has no config.
        """
        source = self.controller.source
        if isinstance(source, LiveSource) and source.config is not None:
            return present_config(source.config, source.motor).to_toml()
        recorded = getattr(source, "recording", None)
        if recorded is not None and recorded.config:
            return str(recorded.config)
        raise ConfigError("config: this run has no config, because a program built it")

    def _note(self, text: str) -> None:
        self.controller.view.show_message(Message("note", text))


def present_config(config: RunConfig, motor: Aetheria_Motor) -> RunConfig:
    """The config with the motor's seed and the changed controls of the law."""
    now = {control.name: motor.get_control(control.name) for control in motor.traits.controls}
    values = config.model_dump()
    values["seed"] = motor.seed
    values["law"] |= {name: value for name, value in now.items() if value != motor.initial_controls.get(name)}
    return RunConfig.checked(values, "")


@dataclass(frozen=True)
class CellsImage:
    """An image of the present cells, one pixel for each, in the colours and between the levels of the view."""

    view_settings: ViewSettings
    choices: Mapping[str, FieldChoice]
    plane: Plane
    levels: tuple[Levels, ...]

    def job(self, region: Region | None, path: Path) -> Callable[[Aetheria_Motor], str]:
        """Writes the image of a region, or of all cells, as PNG, and returns a description."""

        def save(motor: Aetheria_Motor) -> str:
            pixels = self.pixels(motor, region)
            _save_png(pixels, path)
            return f"{times(pixels.shape[:2])} pixels"

        return save

    def pixels(self, motor: Aetheria_Motor, region: Region | None) -> NDArray[np.uint8]:
        """The colours `(h, w, 3)` of a region, or of all cells."""
        settings, plane = self.view_settings, self.plane
        block = None
        if region is not None:
            block = Block((region.left,), (region.width,)) if plane.space_time else region.block
        planes = [self._shades(motor, block, number) for number in range(len(settings.fields))]
        if settings.mix is not None:
            return mixed(planes, settings, self.choices)
        shades = planes[0]
        return shades if shades.ndim == 3 else colour_table(settings, self.choices[settings.field])[shades]

    def _shades(self, motor: Aetheria_Motor, block: Block | None, number: int) -> NDArray[np.uint8]:
        """The pixels of one of the displayed fields."""
        settings, plane = self.view_settings, self.plane
        values = motor.read(settings.fields[number], region=block, slice=plane.cuts, universe=settings.universe).cpu()
        values = values.unsqueeze(-2) if plane.space_time else values
        return interleaved(quantise(values, self.levels[number], log=settings.log)[0].numpy())


def _save_job(path: Path, universe: int, plane: Plane, region: Region | None) -> Callable[[Aetheria_Motor], str]:
    """Writes cells of a region, or all, as `save_cells` does."""

    def save(motor: Aetheria_Motor) -> str:
        with motor.turn:
            step = motor.step_count
            cells = (motor.cells if region is None else motor.cells_at(plane.block(region)))[universe].cpu().numpy()
        if region is None:
            return save_cells(path, cells, motor.traits, step)
        corner = region.top - plane.present.height // 2, region.left - plane.present.width // 2
        return save_cells(path, plane.flat(cells), motor.traits, step, corner)

    return save


def _save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    with atomic_write(path) as beside:
        Image.fromarray(np.ascontiguousarray(pixels)).save(beside, "PNG")


def _load(source: LiveSource, path: Path) -> StateDescription:
    description = load_state(source.motor, path)
    source.refresh(restarted=True)
    return description
