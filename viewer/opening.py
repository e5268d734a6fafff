"""What a file is, and how it becomes a source."""

from pathlib import Path

from aetheria.config import RunConfig, load_config
from aetheria.run import build_motor
from viewer.live import LiveSource
from viewer.source import Source


def open_config(path: str | Path, overrides: list[str] | None = None, device: str | None = None) -> Source:
    """A config as a live source: stepped until the user stops it, eagerly until a faster plan is ready.

    Raises:
        AetheriaError: whatever the config, the law, its weights or the device refuse.
    """
    config = load_config(path, overrides)
    return LiveSource(build_motor(endless(config), device), title=config.title or Path(path).stem, config=config)


def endless(config: RunConfig) -> RunConfig:
    """The config for a run of no planned length, whose plan is made in the background."""
    motor = config.motor.model_copy(update={"plan_in_background": True, "planned_steps": config.motor.planned_steps or 1 << 62})
    return config.model_copy(update={"motor": motor})
