"""Saves and loads images, states and configs. No Qt."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aetheria.core.errors import ConfigError
from aetheria.export.patterns import save_cells
from aetheria.files.atomic import atomic_write
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import RunConfig
from aetheria.runs.state_file import StateDescription, load_state, save_state
from viewer.controllers.component import Component
from viewer.model.messages import Message
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

    def save_cells(self, path: Path) -> None:
        """Saves the cells of the displayed universe as a pattern (.rle) or an array (.npy)."""
        source, settings = self.controller.source, self.controller.model.view_settings
        if isinstance(source, LiveSource):
            universe = settings.universe if settings is not None else 0
            source.submit_with_motor(
                lambda motor: _save_cells(motor, path, universe), lambda words: self._note(f"Saved {path.name}: {words}.")
            )

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


def _save_cells(motor: Aetheria_Motor, path: Path, universe: int) -> str:
    with motor.turn:
        cells, step = motor.cells[universe], motor.step_count
    return save_cells(path, cells.cpu().numpy(), motor.traits, step)


def _save_png(pixels: NDArray[np.uint8], path: Path) -> None:
    with atomic_write(path) as beside:
        Image.fromarray(np.ascontiguousarray(pixels)).save(beside, "PNG")


def _load(source: LiveSource, path: Path) -> StateDescription:
    description = load_state(source.motor, path)
    source.refresh(restarted=True)
    return description
