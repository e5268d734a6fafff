"""Provenance of a run: versions, device and plan, on which the last bits of its cells depend besides its config."""

from typing import Self

import torch

from aetheria.core.hardware import Hardware
from aetheria.core.settings import Settings
from aetheria.core.version import __version__
from aetheria.motor.motor import Aetheria_Motor


class Provenance(Settings):
    """Two runs of one config with equal provenance are equal to the last bit.

    Attributes:
        aetheria, torch: versions.
        device: its model.
        threads: of torch on the CPU, among which it splits its sums; 0 on a GPU.
        precision, deterministic: as for `MotorConfig`.
        plan: name of the plan that stepped the law.
    """

    aetheria: str
    torch: str
    device: str
    threads: int
    precision: str
    deterministic: bool
    plan: str

    @classmethod
    def of(cls, motor: Aetheria_Motor) -> Self:
        """The provenance of a motor's next step."""
        return cls(
            aetheria=__version__,
            torch=str(torch.__version__),
            device=Hardware.detect(motor.device).name,
            threads=torch.get_num_threads() if motor.device.type == "cpu" else 0,
            precision=motor.config.precision,
            deterministic=motor.config.deterministic,
            plan=motor.fixed_plan,
        )

    def differences(self, now: Self) -> list[str]:
        """A line for each value that differs, for messages."""
        then = self.model_dump()
        return [f"{name} {then[name]}, now {value}" for name, value in now.model_dump().items() if value != then[name]]
