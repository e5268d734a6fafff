"""Opens files and shipped configs as sources, by the kind of file. No Qt."""

from collections.abc import Callable
from pathlib import Path

from aetheria.core.errors import ConfigError
from aetheria.files.recognise import recognised
from aetheria.files.untrusted import check_input
from aetheria.recording import Recording
from aetheria.runs.config import RunConfig, load_config
from aetheria.runs.replay import replay
from aetheria.runs.run import build_motor
from aetheria.serve.access import check_websockets
from viewer.sources.importing import SUFFIXES, suffix_of
from viewer.sources.live import LiveSource
from viewer.sources.playback import RecordingSource
from viewer.sources.source import FrameSource

Opener = Callable[[str | Path, list[str] | None, str | None], FrameSource]
KNOWN = (
    "a config (.toml), a recording (.h5), a pattern (.rle, .cells, .lif, .mcl, .mc), cells (.npy, .png), weights "
    "(.safetensors, .pt) or a saved state (.safetensors), the name of a shipped config, or the address of a served run"
)


def open_any(path: str | Path, overrides: list[str] | None = None, device: str | None = None) -> FrameSource:
    """Opens any file as a source. Slow for motors: not for the window's thread.

    Args:
        path: a file, or the name of a shipped config.
        overrides: settings of a config, as "key=value".
        device: for a live source, instead of the config's.

    Raises:
        AetheriaError: unknown kind of file, or refused by its reader.
    """
    if is_address(path):
        return open_address(str(path), overrides, device)
    kind = _known(Path(path))
    return OPENERS.get(kind, open_config)(path, overrides, device)


def check(path: str | Path, overrides: list[str] | None = None, device: str | None = None) -> None:
    """Refuses unreadable files early: a missing file, a bad config, a damaged recording.

    Raises:
        AetheriaError: as `open_any`.
    """
    if is_address(path):
        open_address(str(path), overrides, device).close()
        return
    kind = _known(Path(path))
    if kind in (".h5", ".hdf5"):
        if device:
            raise ConfigError(f"{path}: --device applies to configs, not to recordings")
        open_recording(path, overrides).close()
    elif kind not in SUFFIXES:
        load_config(path, overrides)
    else:
        check_input(Path(path), KNOWN)


def is_address(path: str | Path) -> bool:
    """Whether this is the address of a served run."""
    return "://" in str(path)


def open_address(address: str, overrides: list[str] | None = None, device: str | None = None) -> FrameSource:
    """Opens a run that a server shows.

    Raises:
        ConfigError: nobody there, or the server refuses; settings that only a run of one's own has.
    """
    if overrides or device:
        place = address.partition("?")[0].partition("#")[0]  # without the token
        raise ConfigError(f"{place}: --set and --device apply to configs, not to runs that a server steps")
    check_websockets()
    # They need the extra `serve`.
    from aetheria.serve.client import RemoteRun
    from viewer.sources.remote import RemoteSource
    from viewer.sources.remote_recording import RemoteRecording

    run = RemoteRun(address)
    return (RemoteRecording if run.welcome["kind"] == "recording" else RemoteSource)(address, run)


def open_config(path: str | Path, overrides: list[str] | None = None, device: str | None = None) -> FrameSource:
    """Opens a config as a live source: it runs until the user stops it, eagerly until a faster plan is ready.

    Raises:
        AetheriaError: refused by the config, the law, its weights or the device.
    """
    config = load_config(path, overrides)
    return live_source(config, config.title or Path(path).stem, device)


def open_recording(path: str | Path, overrides: list[str] | None = None) -> RecordingSource:
    """Opens a recording, also one that is still being written.

    Raises:
        RecordingError: missing, damaged, or not a recording.
        ConfigError: overrides were given; a recording has no settings to change.
    """
    if overrides:
        raise ConfigError(f"{path}: --set applies to configs, not to recordings")
    recording = Recording(path)
    try:
        return RecordingSource(recording)
    except BaseException:
        recording.close()
        raise


def rerun_config(config: str, title: str, device: str | None = None) -> FrameSource:
    """A live source from the config (TOML) of a recording.

    Raises:
        AetheriaError: as for `open_config`; also when files named in the config have moved.
    """
    return live_source(RunConfig.from_toml(config, f"{title}: its config"), title, device)


def resume_run(path: Path, step: int, title: str, device: str | None = None) -> FrameSource:
    """A live source that continues the run of a recording from a step, after replaying it with all edits up to there.

    Raises:
        AetheriaError: as for `aetheria.runs.replay.replay`.
    """
    with Recording(path) as recording:
        motor = replay(recording, step, device)
        return LiveSource(motor, title=title, config=RunConfig.from_toml(recording.config, f"{path}: its config"))


def live_source(config: RunConfig, title: str, device: str | None = None) -> LiveSource:
    """A live source from a checked config."""
    return LiveSource(build_motor(endless(config), device), title=title, config=config)


def endless(config: RunConfig) -> RunConfig:
    """The config for a run without planned length, whose plan is made in the background."""
    motor = config.motor.model_copy(update={"plan_in_background": True, "planned_steps": config.motor.planned_steps or 1 << 62})
    return config.model_copy(update={"motor": motor})


# By suffix. Anything else may be the name of a shipped config.
OPENERS: dict[str, Opener] = {
    ".toml": open_config,
    ".h5": lambda path, overrides, _: open_recording(path, overrides),
    ".hdf5": lambda path, overrides, _: open_recording(path, overrides),
}


def _known(path: Path) -> str:
    """As `_kind`; refuses existing files of unknown kinds."""
    kind = _kind(path)
    if path.exists():
        check_input(path, KNOWN)
    if kind not in (*OPENERS, *SUFFIXES) and path.exists():
        raise ConfigError(f"{path}: {'a folder' if path.is_dir() else 'unknown kind of file'}; expected {KNOWN}")
    return kind


def _kind(path: Path) -> str:
    """The suffix of the file's kind: HDF5 is recognised by its first bytes, whatever the file is called."""
    kind = recognised(path)
    return ".h5" if kind is not None and kind.key == "recording" else suffix_of(path)
