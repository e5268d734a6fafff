"""Training: a law learned from recordings, or to grow a picture."""

from aetheria.stepping.cpu.training_step import training_step
from aetheria.training.batch_size import MicroBatches, largest_batch, peak_memory
from aetheria.training.batches import Batches, SampleSchedule
from aetheria.training.grow import GrowResult
from aetheria.training.imitation import TrainResult, imitate
from aetheria.training.setup import Setup, recommended, setup_training
from aetheria.training.task import Task
from aetheria.training.task_config import TaskConfig
from aetheria.training.task_registry import register_objective
from aetheria.training.task_training import TaskResult, train_task
from aetheria.training.train_config import GrowConfig, TrainConfig, load_train_config, load_training
from aetheria.training.trajectories import TrajectoryDataset, WindowSample

__all__ = [
    "Batches",
    "GrowConfig",
    "GrowResult",
    "MicroBatches",
    "SampleSchedule",
    "Setup",
    "Task",
    "TaskConfig",
    "TaskResult",
    "TrainConfig",
    "TrainResult",
    "TrajectoryDataset",
    "WindowSample",
    "imitate",
    "largest_batch",
    "load_train_config",
    "load_training",
    "peak_memory",
    "recommended",
    "register_objective",
    "setup_training",
    "train_task",
    "training_step",
]
