"""Learning a law: from recordings, on whatever this machine has."""

from aetheria.training.batches import Batches, Draws
from aetheria.training.firing import training_step
from aetheria.training.memory import MicroBatches, largest_batch, peak_memory
from aetheria.training.setup import Setup, recommended, setup_training
from aetheria.training.trajectories import Sample, TrajectoryDataset

__all__ = [
    "Batches",
    "Draws",
    "MicroBatches",
    "Sample",
    "Setup",
    "TrajectoryDataset",
    "largest_batch",
    "peak_memory",
    "recommended",
    "setup_training",
    "training_step",
]
