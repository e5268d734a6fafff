"""Learning a law: what it takes to train one on this machine."""

from aetheria.training.memory import MicroBatches, largest_batch, peak_memory
from aetheria.training.setup import Setup, recommended, setup_training

__all__ = ["MicroBatches", "Setup", "largest_batch", "peak_memory", "recommended", "setup_training"]
