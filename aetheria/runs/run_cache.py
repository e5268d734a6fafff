"""A cache of results by their content: what was computed once, of equal config, versions and device, is not computed again.

An entry is a folder of files, named by the digest of its key, in `~/.cache/aetheria/runs` (XDG_CACHE_HOME is heeded). It
appears as a whole by a rename; those that were not used for longest go when the cache is larger than its limit.
"""

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from aetheria.core.device import find_device
from aetheria.core.hardware import Hardware
from aetheria.core.printable import get_logger
from aetheria.files.atomic import remove_leftovers, temporary_name
from aetheria.laws import find_law
from aetheria.runs.config import RunConfig

log = get_logger(__name__)
LIMIT_BYTES = 2 << 30
_VALUES = "values.json"
_SOURCES = (".py", ".cpp", ".h", ".json", ".rule")


@dataclass(frozen=True)
class CacheStatistics:
    """Use of a cache.

    Attributes:
        entries, nbytes: what it holds.
        hits, misses: of this process.
    """

    entries: int
    nbytes: int
    hits: int
    misses: int


class RunCache:
    """A cache of runs in a folder. Several processes may use it at once."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        """
        Args:
            folder: of the entries; None for that of the user.
            limit_bytes: most that the entries may take together.
        """
        self.folder = folder or _users_folder()
        self._limit = limit_bytes
        self._hits = self._misses = 0

    def get(self, key: str) -> tuple[dict[str, Any], dict[str, Path]] | None:
        """The values of an entry, and its files by name; None where there is none, or a damaged one."""
        entry = self.folder / key
        try:
            held = json.loads((entry / _VALUES).read_text("utf-8"))
            values, digests = held["values"], held["files"]
            files = {name: entry / name for name in digests}
            if any(_digest_of(path) != digests[name] for name, path in files.items()):
                raise ValueError("a file was changed")
            os.utime(entry)  # the entries that were not used for longest go first
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._misses += 1
            return None
        self._hits += 1
        return values, files

    def put(self, key: str, values: Mapping[str, Any], files: Mapping[str, Path] | None = None) -> None:
        """Keeps values, as JSON takes them, and copies of files. A cache that cannot be written says so, and is none."""
        entry, temporary = self.folder / key, temporary_name(self.folder / key)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.mkdir(mode=0o700)
            for name, path in (files or {}).items():
                shutil.copyfile(path, temporary / name)
            digests = {name: _digest_of(temporary / name) for name in files or {}}
            (temporary / _VALUES).write_text(json.dumps({"values": dict(values), "files": digests}), "utf-8")
            if entry.exists():
                shutil.rmtree(entry, ignore_errors=True)
            temporary.replace(entry)
            self._shrink()
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            log.warning("%s: the cache of runs cannot be written; %s", self.folder, error.strerror)

    def statistics(self) -> CacheStatistics:
        """Entries, bytes, hits and misses."""
        sizes = [_size(entry) for entry in self._entries()]
        return CacheStatistics(len(sizes), sum(sizes), self._hits, self._misses)

    def _shrink(self) -> None:
        remove_leftovers(self.folder, lambda _: True)
        sizes = {entry: _size(entry) for entry in self._entries()}
        total = sum(sizes.values())
        for entry in sorted(sizes, key=_used_at):
            if total <= self._limit:
                return
            total -= sizes[entry]
            shutil.rmtree(entry, ignore_errors=True)

    def _entries(self) -> list[Path]:
        try:
            return [entry for entry in self.folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        except OSError:
            return []


def cache_key(config: RunConfig, device: str | None, **more: Any) -> str | None:
    """The key of a run: its config with the contents of the files it names, sources, versions, device and threads, and `more`.

    Of a law of another package the source is the file of its class. None for a law that is in no file, as in a notebook.
    """
    law = _law_source(config)
    if law is None:
        return None
    chosen = device or config.device
    where = find_device(None if chosen == "auto" else chosen)
    key = {
        "config": config.to_toml(),
        "files": [_digest_of(path) for path in config.named_files() if path.is_file()],
        "source": [_own_source(), law],  # the version number stays the same while Aetheria is worked on
        "torch": str(torch.__version__),
        "device": Hardware.detect(where).name,
        "threads": torch.get_num_threads() if where.type == "cpu" else 0,
        **more,
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _users_folder() -> Path:
    above = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(above) / "aetheria" / "runs"


@cache
def _own_source() -> str:
    """Digest of Aetheria's own files."""
    folder, digest = Path(str(resources.files("aetheria"))), hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in _SOURCES):
        digest.update(f"{path.relative_to(folder)} {_digest_of(path)}\n".encode())
    return digest.hexdigest()


def _law_source(config: RunConfig) -> str | None:
    """Digest of the file of a law of another package; empty for Aetheria's own, None where there is no file."""
    law = find_law(config.law.name)
    if law.__module__.partition(".")[0] == "aetheria":
        return ""
    try:
        file = inspect.getsourcefile(law)
        return None if file is None else _digest_of(Path(file))
    except (TypeError, OSError):
        return None


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(entry: Path) -> int:
    try:
        return sum(path.stat().st_size for path in entry.iterdir())
    except OSError:
        return 0


def _used_at(entry: Path) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:
        return 0.0
