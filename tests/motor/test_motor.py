"""The motor: construction, cells, chunks, threads, saving, and what it refuses."""

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from aetheria import GrowingNCA, Lenia, Life, Quantum, UNet
from aetheria.core.errors import AetheriaError, ConfigError, DivergedError, LawError, StateError
from aetheria.core.memory_limits import EAGER_STATES, check_states
from aetheria.core.precision import Numerics, numerics
from aetheria.motor.motor import Aetheria_Motor, MotorConfig
from aetheria.motor.state import check_room_for
from aetheria.stepping import Plan, PlanName, choose_plan

EAGER = {"plan": "eager"}


class Counter(nn.Module):
    """Adds one to every cell each step: after n steps every cell has grown by n."""

    def forward(self, cells: Tensor) -> Tensor:
        return cells + 1


class Explodes(nn.Module):
    """Turns one cell to Inf at its 37th step, as long as cells count steps."""

    def forward(self, cells: Tensor) -> Tensor:
        after = cells + 1
        return torch.where(after >= 37, torch.inf, after)


def counter(**options: Any) -> Aetheria_Motor:
    return Aetheria_Motor(Counter(), 8, 1, "cpu", EAGER, initial=torch.zeros(1, 8, 8), **options)


def test_the_call_of_the_readme_works_with_a_config_object() -> None:
    config = MotorConfig(plan="eager")
    motor = Aetheria_Motor(UNet(d_state=8, hidden_channels=4), 16, 8, "cpu", cfg=config)
    motor.step(2)
    assert motor.cells.shape == (1, 16, 16, 16)
    assert motor.psi.shape == (1, 16, 16, 8)
    assert motor.step_count == 2


def test_steps_are_counted_and_taken_however_they_are_asked_for() -> None:
    motor = counter()
    for n in (1, 0, 7, 250):
        motor.step(n)
    assert motor.step_count == 258
    assert (motor.cells == 258).all()


def test_a_rectangular_grid_and_a_batch_have_the_shape_asked_for() -> None:
    motor = Aetheria_Motor(Life(), (6, 10), 1, "cpu", EAGER, batch=3)
    assert motor.cells.shape == (3, 1, 6, 10)


def test_universes_of_a_batch_start_from_different_noise() -> None:
    cells = Aetheria_Motor(Life(), 16, 1, "cpu", EAGER, batch=2).cells
    assert not torch.equal(cells[0], cells[1])


def test_psi_pairs_real_and_imaginary_blocks() -> None:
    motor = Aetheria_Motor(UNet(d_state=2, hidden_channels=4), 8, 2, "cpu", EAGER)
    cells, psi = motor.cells, motor.psi
    assert torch.equal(psi[0, 3, 5, 1], torch.complex(cells[0, 1, 3, 5], cells[0, 3, 3, 5]))


def test_psi_of_real_cells_is_refused() -> None:
    with pytest.raises(StateError, match="real"):
        _ = counter().psi


def test_cells_are_a_copy_that_autograd_accepts() -> None:
    motor = counter()
    cells = motor.cells
    cells += 5
    assert (motor.cells == 0).all()
    cells.requires_grad_().sum().backward()  # an inference tensor would refuse


def test_the_motor_runs_in_eval_and_inference_mode() -> None:
    seen: list[tuple[bool, bool]] = []

    class Looks(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            seen.append((self.training, torch.is_inference_mode_enabled()))
            return cells

    Aetheria_Motor(Looks().train(), 4, 1, "cpu", EAGER).step(3)
    assert set(seen) == {(False, True)}


def test_set_cells_takes_one_universe_for_all_and_numpy() -> None:
    motor = counter(batch=2)
    motor.set_cells(np.full((1, 8, 8), 4.0))
    motor.step()
    assert (motor.cells == 5).all()
    assert motor.step_count == 1


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (torch.zeros(1, 8, 7), r"shape \(1, 8, 7\); expected \(1, 1, 8, 8\)"),
        (torch.full((1, 8, 8), torch.nan), "NaN or Inf"),
        (torch.zeros(1, 8, 8, dtype=torch.complex64), "complex"),
    ],
)
def test_cells_that_do_not_fit_are_refused_and_nothing_changes(cells: Tensor, words: str) -> None:
    motor = counter()
    motor.step(3)
    with pytest.raises(StateError, match=words):
        motor.set_cells(cells)
    assert (motor.cells == 3).all()


def test_a_saved_state_goes_on_as_if_never_saved() -> None:
    straight = Aetheria_Motor(GrowingNCA(fire_rate=0.5), 16, 16, "cpu", EAGER, initial="noise", seed=5)
    nn.init.normal_(straight.law.update.weight, std=0.05)  # type: ignore[union-attr, arg-type]
    straight.step(4)
    saved = straight.state_dict()
    straight.step(4)
    other = Aetheria_Motor(straight.law, 16, 16, "cpu", EAGER)
    other.load_state_dict(saved)
    assert (other.step_count, other.seed) == (4, 5)
    other.step(4)
    assert torch.equal(other.cells, straight.cells)


def test_a_saved_state_of_another_shape_is_refused() -> None:
    saved = Aetheria_Motor(Life(), 8, 1, "cpu", EAGER).state_dict()
    with pytest.raises(StateError, match="shape"):
        Aetheria_Motor(Life(), 9, 1, "cpu", EAGER).load_state_dict(saved)
    with pytest.raises(StateError, match="memory, seed missing"):
        counter().load_state_dict({"cells": saved["cells"], "step": 1})
    nca = Aetheria_Motor(GrowingNCA(), 8, 16, "cpu", EAGER)
    with pytest.raises(StateError, match="memory"):
        nca.load_state_dict({**nca.state_dict(), "memory": ()})


def test_other_threads_are_served_while_the_motor_steps() -> None:
    motor = counter()
    steps: list[int] = []
    served = threading.Event()
    stepping = threading.Thread(target=lambda: motor.step(2_000_000, until=served.is_set))
    stepping.start()
    while stepping.is_alive() and len(set(steps)) < 5:
        cells = motor.cells
        assert (cells == cells[0, 0, 0, 0]).all(), "a torn read"
        steps.append(int(cells[0, 0, 0, 0]))
    served.set()
    stepping.join()
    assert len(set(steps)) == 5, "served only after the last step"
    assert (motor.cells == motor.step_count).all()


def test_only_one_thread_may_step() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            entered.set()
            leave.wait(10)
            return cells

    motor = Aetheria_Motor(Waits(), 4, 1, "cpu", EAGER)
    thread = threading.Thread(target=motor.step)
    thread.start()
    entered.wait(10)
    try:
        with pytest.raises(StateError, match="another thread"):
            motor.step()
    finally:
        leave.set()
        thread.join()


def test_divergence_is_found_at_the_next_check_and_says_when() -> None:
    motor = Aetheria_Motor(Explodes(), 8, 1, "cpu", {**EAGER, "check_interval": 50}, initial=torch.zeros(1, 8, 8))
    with pytest.raises(DivergedError, match="at step 50"):
        motor.step(1000)
    assert motor.step_count == 50


def test_large_finite_cells_are_not_taken_for_divergence() -> None:
    motor = Aetheria_Motor(nn.Identity(), 8, 1, "cpu", EAGER, initial=torch.full((1, 8, 8), 3e38))
    motor.check_finite()  # their sum is Inf, they are not


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"grid_size": 0}, ConfigError, "size: 0 given; expected a positive number"),
        ({"grid_size": (8, -1)}, ConfigError, "expected a positive number"),
        ({"grid_size": (8, 8, 8)}, LawError, "3 axes given; Life steps grids of 2"),
        ({"grid_size": 2.5}, ConfigError, "size: 2.5 given"),
        ({"grid_size": None}, ConfigError, "size: None given"),
        ({"grid_size": (8, True, 3)}, ConfigError, "height, width"),
        ({"cfg": "eager"}, ConfigError, r"\[motor\]|must be"),
        ({"device": 3.5}, ConfigError, "expected auto, cpu, cuda"),
        ({"batch": 0}, ConfigError, "batch: 0 given"),
        ({"seed": -1}, ConfigError, "seed: -1 given"),
        ({"seed": 2**63}, ConfigError, "expected a whole number from 0"),
        ({"device": "cuda:99"}, ConfigError, 'device: "cuda:99" given; .* CUDA devices found'),
        ({"device": "quantum"}, ConfigError, "expected auto, cpu, cuda"),
        ({"device": "mps"}, ConfigError, "expected auto, cpu, cuda"),
        ({"cfg": {"precison": "bf16"}}, ConfigError, r"\[motor\] precison: unknown key; did you mean precision"),
        ({"cfg": {"precision": "fp8"}}, ConfigError, r"\[motor\] precision: 'fp8' given"),
        ({"cfg": {"check_interval": -1}}, ConfigError, r"\[motor\] check_interval: -1 given"),
        ({"d_state": 0}, ConfigError, "d_state: 0 given"),
        ({"d_state": 2.5}, ConfigError, "d_state: 2.5 given"),
        ({"d_state": 3}, LawError, "d_state 3: Life has 1 real channels"),
        ({"model": UNet(2, 4), "d_state": 4}, LawError, "UNet was built for d_state 2"),
        ({"model": UNet(2, 4), "d_state": 2, "grid_size": (250, 256)}, LawError, "height must be a multiple of 4"),
        ({"initial": "nosie"}, ConfigError, r"\[initial\] kind: 'nosie' given"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], error: type[AetheriaError], words: str) -> None:
    usual: dict[str, Any] = {"model": Life(), "grid_size": 8, "d_state": 1, "device": "cpu", "cfg": EAGER}
    with pytest.raises(error, match=words):
        Aetheria_Motor(**{**usual, **arguments})


@pytest.mark.parametrize("n", [-1, 2.5])
def test_steps_backwards_or_in_part_are_refused(n: Any) -> None:
    with pytest.raises(StateError, match="backwards or in part"):
        counter().step(n)


def test_a_grid_size_may_be_numpys() -> None:
    assert Aetheria_Motor(Life(), np.int64(8), 1, "cpu", EAGER).cells.shape == (1, 1, 8, 8)  # type: ignore[arg-type]


def test_a_state_too_large_for_memory_is_refused_before_it_is_allocated() -> None:
    with pytest.raises(
        StateError,
        match=r"stepping needs at least 384.0 GiB, .* free, of which 80% are",
    ):
        Aetheria_Motor(UNet(8, 4), 32768, 8, "cpu", EAGER)
    check_states((1, 1, 10, 10), 400, EAGER_STATES, available=3000)
    with pytest.raises(StateError, match="smaller grid or batch, or --force"):
        check_states((1, 1, 10, 10), 400, EAGER_STATES, available=2999)


def test_a_kernel_of_ours_needs_room_for_fewer_states_than_a_plan_compared_on_the_whole_grid() -> None:
    cells = torch.zeros(1, 1, 10, 10)  # 400 bytes
    check_room_for(Life(), (cells,), "auto", "fp32", 1500)
    with pytest.raises(StateError, match=r"needs at least 1,200 bytes, .*smaller grid or batch, or --force"):
        check_room_for(Life(), (cells,), "auto", "fp32", 1499)
    with pytest.raises(StateError, match=r'needs at least 4,000 bytes, .*or plan "eager"'):
        check_room_for(Life(), (cells,), "compiled", "fp32", 4999)
    check_room_for(Life(), (cells,), "compiled", "fp32", 5000)


def test_a_module_of_the_wrong_shape_says_what_it_got_and_what_to_do() -> None:
    motor = Aetheria_Motor(nn.Conv2d(16, 16, 3, padding=1), 8, 8, "cpu", EAGER)
    with pytest.raises(LawError, match=r"cannot step cells of shape \(1, 8, 8, 8\).*Quantum\(net, d_state\)"):
        motor.step()
    motor = Aetheria_Motor(nn.Conv2d(2, 2, 3), 8, 2, "cpu", EAGER)
    with pytest.raises(LawError, match=r"returned \[\(1, 2, 6, 6\)\] for \[\(1, 2, 8, 8\)\]"):
        motor.step()


def test_a_memory_that_a_user_module_brings_is_carried_along() -> None:
    class Fibonacci(nn.Module):
        def initial_memory(self, cells: Tensor) -> tuple[Tensor, ...]:
            return (torch.zeros_like(cells),)

        def forward(self, cells: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
            return cells + before, cells

    motor = Aetheria_Motor(Fibonacci(), 4, 1, "cpu", EAGER, initial=torch.ones(1, 4, 4))
    motor.step(10)
    assert (motor.cells == 89).all()
    assert (motor.memory[0] == 55).all()


@pytest.mark.gpu
def test_a_run_on_the_gpu_equals_the_run_on_the_cpu() -> None:
    runs = []
    for device in ("cpu", "cuda"):
        motor = Aetheria_Motor(Life("B36/S23"), 64, 1, device, EAGER, seed=3)
        motor.step(50)
        runs.append(motor.cells.cpu())
    assert torch.equal(*runs)


def test_trying_a_law_out_leaves_the_cells_and_counts_one_call_a_step() -> None:
    calls: list[int] = []

    class InPlace(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            calls.append(1)
            return cells.add_(1)

    motor = Aetheria_Motor(InPlace(), 4, 1, "cpu", EAGER, initial=torch.zeros(1, 4, 4))
    motor.warm_up()
    assert (motor.cells == 0).all()
    motor.step(3)
    assert (motor.cells == 3).all()
    assert len(calls) == 3 + 2, "besides the steps, one trial and its repetition"


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("fp64", torch.float64)])
def test_real_weights_take_the_precision_and_complex_ones_stay_complex(precision: str, dtype: torch.dtype) -> None:
    class Spectral(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Parameter(torch.tensor(1j))
            self.gain = nn.Parameter(torch.ones((), dtype=torch.float64))

        def forward(self, cells: Tensor) -> Tensor:
            return (torch.fft.ifft2(torch.fft.fft2(cells) * self.turn).imag * self.gain).to(cells.dtype)

    cells = torch.rand(1, 4, 4)
    motor = Aetheria_Motor(Spectral(), 4, 1, "cpu", {**EAGER, "precision": precision}, initial=cells)
    motor.step()
    assert motor.law.gain.dtype == dtype
    torch.testing.assert_close(motor.cells[0], cells.to(dtype))


def test_attributes_of_a_plain_module_may_mean_anything() -> None:
    class Net(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(2, 2, 1)
            self.channels, self.d_state, self.boundary, self.fields, self.radius = 32, 7, 0.5, 3, "wide"

    motor = Aetheria_Motor(Net(), 8, 2, "cpu", EAGER)
    motor.step()
    assert motor.cells.shape == (1, 2, 8, 8)
    assert motor.read("channel_1").shape == (1, 8, 8)


def test_one_lenia_steps_grids_of_two_sizes() -> None:
    law = Lenia()
    small, large = (Aetheria_Motor(law, side, 1, "cpu", EAGER, seed=2) for side in (28, 32))
    alone = Aetheria_Motor(Lenia(), 28, 1, "cpu", EAGER, seed=2)
    for motor in (small, large, small, alone, alone):
        motor.step()
    assert torch.equal(small.cells, alone.cells)


def test_trying_a_law_out_draws_no_random_numbers() -> None:
    class Random(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return torch.rand_like(cells)

    torch.manual_seed(4)
    expected = torch.rand(1, 1, 4, 4)
    torch.manual_seed(4)
    motor = Aetheria_Motor(Random(), 4, 1, "cpu", EAGER, initial=torch.zeros(1, 4, 4))
    motor.step()
    assert torch.equal(motor.cells, expected)


def test_a_law_around_a_wrong_network_says_so() -> None:
    with pytest.raises(LawError, match="Quantum cannot step cells of shape"):
        Aetheria_Motor(Quantum(nn.Conv2d(3, 3, 1), d_state=2), 8, 2, "cpu", EAGER).step()


def test_threads_that_want_different_numerics_take_turns_and_leave_none_behind() -> None:
    cudnn = torch.backends.cudnn
    before = (cudnn.benchmark, cudnn.deterministic)
    wrong: list[bool] = []

    def work(deterministic: bool) -> None:
        for _ in range(100):
            with numerics(Numerics(tf32=False, deterministic=deterministic)):
                wrong.extend(True for _ in range(5) if cudnn.deterministic != deterministic)

    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in (True, False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert (cudnn.benchmark, cudnn.deterministic) == before


def test_a_motor_on_the_cpu_waits_for_nobodys_switches() -> None:
    with numerics(Numerics(tf32=False, deterministic=True)):
        motor = counter()  # wants others
        thread = threading.Thread(target=motor.step)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()


def test_precision_switches_between_fp32_and_tf32_only() -> None:
    optimizer = counter().optimizer
    optimizer.precision = "tf32"
    assert optimizer.precision == "tf32"
    for other in ("bf16", "fp64", "bf16x"):
        with pytest.raises(ConfigError, match="only fp32 and tf32 can be switched"):
            optimizer.precision = other  # type: ignore[assignment]


def test_a_block_of_cells_is_read_and_replaced_where_it_is() -> None:
    motor = counter()
    motor.set_cells(torch.full((1, 2, 3), 5.0), at=(4, 1))
    expected = torch.zeros(1, 1, 8, 8)
    expected[..., 4:6, 1:4] = 5
    assert torch.equal(motor.cells, expected)
    assert torch.equal(motor.cells_at(3, 0, 4, 5), expected[..., 3:7, 0:5])
    motor.step(2)
    assert torch.equal(motor.cells, expected + 2)


def test_one_universe_of_a_batch_is_edited_alone() -> None:
    motor = counter(batch=3)
    motor.set_cells(np.ones((1, 1, 1), np.float32), at=(0, 7), universe=1)
    motor.set_cells(np.full((1, 8, 8), 2, np.float32), universe=2)
    cells = motor.cells
    assert [float(universe.sum()) for universe in cells] == [0, 1, 128]
    assert float(cells[1, 0, 0, 7]) == 1


@pytest.mark.parametrize(
    ("shape", "at", "universe"),
    [
        ((1, 2, 2), (7, 0), None),
        ((1, 2, 2), (-1, 0), None),
        ((2, 2, 2), (0, 0), None),
        ((1, 2, 2), (0, 0), 1),
        ((4,), (0, 0), None),
    ],
)
def test_a_block_that_is_not_there_is_refused(shape: tuple[int, ...], at: tuple[int, int], universe: int | None) -> None:
    with pytest.raises(StateError, match="cells: "):
        counter().set_cells(torch.ones(shape), at=at, universe=universe)


def test_a_restart_gives_the_first_run_again_and_another_seed_another() -> None:
    motor = Aetheria_Motor(GrowingNCA(channels=6, hidden_channels=4), 8, 6, "cpu", EAGER, initial="noise", seed=1)
    for parameter in motor.law.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    first = motor.cells
    motor.step(5)
    after = motor.cells
    motor.restart()
    assert motor.step_count == 0
    assert torch.equal(motor.cells, first)
    motor.step(5)
    assert torch.equal(motor.cells, after)
    motor.restart(seed=2)
    assert motor.seed == 2
    assert not torch.equal(motor.cells, first)


def test_a_restart_within_a_call_of_step_does_not_lengthen_it() -> None:
    taken: list[int] = []

    class Once(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            taken.append(1)
            if len(taken) == 10:
                threading.Thread(target=restarting.restart).start()
                time.sleep(0.05)
            return cells + 1

    restarting = Aetheria_Motor(Once(), 8, 1, "cpu", EAGER, initial=torch.zeros(1, 8, 8))
    taken.clear()
    restarting.step(50)
    assert len(taken) <= 52  # two of them are the first plan's trial
    assert restarting.step_count < 50


def test_a_restart_waits_for_a_recorder_to_finish() -> None:
    motor = counter()
    with motor.subscribe(delivery="lossless"), pytest.raises(StateError, match="restart: a recorder is running"):
        motor.restart()


def test_a_restart_from_other_cells_is_where_later_restarts_go() -> None:
    motor = counter()
    motor.step(3)
    motor.restart(initial=torch.full((1, 8, 8), 5.0))
    assert motor.step_count == 0
    motor.step(2)
    assert (motor.cells == 7).all()
    motor.restart()
    assert (motor.cells == 5).all()
    with pytest.raises(StateError, match="shape"):
        motor.restart(initial=torch.zeros(1, 9, 9))
    motor.restart()
    assert (motor.cells == 5).all()


@pytest.mark.parametrize("plan", ["eager", "compiled", "fused"])
def test_weights_loaded_between_steps_are_stepped_with_from_then_on(plan: str, tmp_path: Path) -> None:
    def law(seed: int) -> GrowingNCA:
        torch.manual_seed(seed)
        law = GrowingNCA(channels=6, hidden_channels=4)
        for parameter in law.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return law

    save_file(law(2).state_dict(), tmp_path / "other.safetensors")
    motor = Aetheria_Motor(law(1), 8, 6, "cpu", {"plan": plan}, initial="noise")
    reference = Aetheria_Motor(law(2), 8, 6, "cpu", EAGER, initial="noise")
    motor.step(3)
    motor.load_weights(tmp_path / "other.safetensors")
    assert motor.step_count == 3
    reference.load_state_dict(motor.state_dict())
    motor.step(4)
    reference.step(4)
    torch.testing.assert_close(motor.cells, reference.cells)
    save_file({"hidden.weight": torch.zeros(4, 18, 1, 1)}, tmp_path / "torn.safetensors")
    with pytest.raises(LawError, match=r"update\.weight: missing"):
        motor.load_weights(tmp_path / "torn.safetensors")
    with motor.subscribe(delivery="lossless"), pytest.raises(StateError, match="load_weights: a recorder is running"):
        motor.load_weights(tmp_path / "other.safetensors")


def test_a_plan_made_in_the_background_takes_over_and_gives_the_same_cells() -> None:
    config = {"plan": "packed", "plan_in_background": True}
    motor = Aetheria_Motor(Life(), (40, 70), 1, "cpu", config, seed=3)
    reference = Aetheria_Motor(Life(), (40, 70), 1, "cpu", EAGER, seed=3)
    motor.step(1)
    began = time.monotonic()
    while motor.planning and time.monotonic() - began < 120:
        motor.step(1)
    motor.step(3)
    assert motor.plan.name == "packed"
    reference.step(motor.step_count)
    assert torch.equal(motor.cells, reference.cells)


def test_what_the_background_could_not_plan_is_said_once_and_stepping_goes_on_eagerly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    def choose(*arguments: Any, wanted: PlanName, **settings: Any) -> Plan:
        calls.append(wanted)
        if wanted == "auto":
            raise LawError("no plan for this")
        return choose_plan(*arguments, wanted=wanted, **settings)

    monkeypatch.setattr("aetheria.motor.planner.choose_plan", choose)
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan_in_background": True})
    with pytest.warns(RuntimeWarning, match="Life goes on by plan eager: same result, slower. Reason: no plan for this"):
        step_until_planned(motor)
    motor.step(5)
    assert (motor.plan.name, motor.plan.reason) == ("eager", "no plan for this")
    assert calls == ["eager", "auto"]


def test_a_plan_that_is_ready_while_the_motor_stands_still_is_not_being_made_any_more() -> None:
    motor = Aetheria_Motor(Life(), 8, 1, "cpu", {"plan_in_background": True})
    motor.step(1)
    deadline = time.monotonic() + 120
    while motor.planning:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    assert motor.step_count == 1, "no step has asked for it since"


def step_until_planned(motor: Aetheria_Motor) -> None:
    motor.step(1)
    while motor.planning:
        motor.step(1)
    motor.step(1)  # which takes it over


@pytest.mark.parametrize(("plan", "expected"), [("packed", 1), ("eager", 0)])
def test_memory_of_the_public_form_is_given_back_once_the_cells_are_packed(
    plan: str, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr("aetheria.motor.stepper._LARGE", 4 * 64 * 64)
    monkeypatch.setattr("aetheria.motor.stepper.return_freed_memory", lambda: calls.append(None))
    motor = Aetheria_Motor(Life(), 64, 1, "cpu", {"plan": plan})
    for _ in range(3):
        motor.step(2)
    assert motor._loop.stepper.moment.shown is None
    assert len(calls) == expected
