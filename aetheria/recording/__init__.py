"""Recordings: one HDF5 file for each run, written while the run goes on, read lazily, repaired."""

from aetheria.recording.recorder import Recorder
from aetheria.recording.recording import Recording

__all__ = ["Recorder", "Recording"]
