"""What the last digits of a run depend on besides its config: versions, the device, how it is stepped."""

from typing import Self

import torch

from aetheria.core.hardware import Hardware
from aetheria.core.settings import Settings
from aetheria.core.version import __version__
from aetheria.motor.motor import Aetheria_Motor


class Provenance(Settings):
    """Under the same circumstances the same run comes out to the last bit.

    Attributes:
        aetheria, torch: versions.
        device: its model.
        threads: that torch uses on the CPU, among which it splits its sums; 0 on a GPU.
        precision, deterministic: as for `MotorConfig`.
        plan: by which the law was stepped.
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
        """Those of a motor now."""
        return cls(
            aetheria=__version__,
            torch=str(torch.__version__),
            device=Hardware.detect(motor.device).name,
            threads=torch.get_num_threads() if motor.device.type == "cpu" else 0,
            precision=motor.config.precision,
            deterministic=motor.config.deterministic,
            plan=motor.plan.name if motor.plan else "",
        )

    def differences(self, now: Self) -> list[str]:
        """What differs now, for people; nothing when all is alike."""
        then = self.model_dump()
        return [f"{name} {then[name]}, now {value}" for name, value in now.model_dump().items() if value != then[name]]
