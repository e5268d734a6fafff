"""Settings of a motor."""

from pydantic import Field as Setting

from aetheria.core.precision import Precision
from aetheria.core.settings import Settings
from aetheria.stepping import PlanName


class MotorConfig(Settings):
    """How a motor steps.

    Attributes:
        plan: "auto", or one by name: "eager", "compiled", "graphed" (CUDA), "winograd", "fused",
            "packed" (two-state rules).
        planned_steps: how many steps the run will take, if known: its plan is made at the first step, unless the run is so
            short that compiling does not pay. None, with plan "auto": steps are eager at first, and a plan is made after as
            many as cost what making it does, a number that depends on the law and the grid alone. [steps]
        plan_in_background: step eagerly while the plan is made (CPU). The step at which it takes over depends on timing, and
            with it the last digits of all that follows.
        precision: "fp32"; "tf32" (CUDA matrix products and convolutions); "bf16" (the network in bfloat16, the state in
            float32); "fp64" (everything, for reference).
        deterministic: cuDNN's deterministic algorithms instead of its fastest.
        empty_cache_interval: steps between cache clean-ups, at the least (chunks of steps are not cut short); 0 for never.
            [steps]
        check_interval: steps between checks for NaN and Inf, 0 for never; None for 100, or 2^24 cell updates if those are
            more steps. Each recorded frame is checked too. [steps]
        log_edits: keep what is changed by hand in `edits`, from which the run can be repeated. False spares the copies, and a
            recording then says nothing of edits.
        halo_steps: steps between two exchanges of margins where the grid is split over processes; None for a number that
            suits law, tile and network. The results do not depend on it. [steps]
        exact_sums: add what a law sums over its grid as whole numbers, in fixed point: then the cells are those of a split
            grid, to the last bit. A split grid always does so.
    """

    plan: PlanName = "auto"
    planned_steps: int | None = Setting(default=None, ge=0, examples=["planned_steps = 100000"])
    plan_in_background: bool = False
    precision: Precision = "fp32"
    deterministic: bool = False
    empty_cache_interval: int = Setting(default=100, ge=0)
    check_interval: int | None = Setting(default=None, ge=0, examples=["check_interval = 1000"])
    log_edits: bool = True
    halo_steps: int | None = Setting(default=None, ge=1, examples=["halo_steps = 8"])
    exact_sums: bool = False
