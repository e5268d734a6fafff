"""Learning a law: from recordings, on whatever this machine has."""

from aetheria.training.batches import Batches, Draws
from aetheria.training.firing import training_step
from aetheria.training.imitation import Learned, imitate
from aetheria.training.memory import MicroBatches, largest_batch, peak_memory
from aetheria.training.settings import TrainConfig, load_train_config
from aetheria.training.setup import Setup, recommended, setup_training
from aetheria.training.trajectories import Sample, TrajectoryDataset

__all__ = [
    "Batches",
    "Draws",
    "Learned",
    "MicroBatches",
    "Sample",
    "Setup",
    "TrainConfig",
    "TrajectoryDataset",
    "imitate",
    "largest_batch",
    "load_train_config",
    "peak_memory",
    "recommended",
    "setup_training",
    "training_step",
]
