"""Recordings: one HDF5 file a run, written while it runs, read lazily."""

from aetheria.recording.recorder import Recorder
from aetheria.recording.recording import Recording

__all__ = ["Recorder", "Recording"]
