"""The compiled plan equals eager without recompiling; where compiling fails or does not pay, the eager plan is taken.

Generating code takes many seconds for each law. It is done once for all tests, only for laws without a native plan on the CPU;
the others are captured as graphs, with all guards, and run by torch's operations. On a GPU code is generated for all.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import RecompileError

from aetheria.core.errors import LawError
from aetheria.laws import LAWS, Lenia, Life
from aetheria.laws.controls import Control
from aetheria.laws.states import StateLaw
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import compiled as compiling
from aetheria.stepping.plan import Step, Stepwise
from aetheria.stepping.plan_factory import WORTH_BUILDING, WORTH_COMPILING
from tests.laws.test_controls import NUMBERS, values
from tests.small_laws import GRIDS, NAMES, PLAIN, Plain, agree, fitting, fresh, small_law, small_motor, width_of, wrapped

# Compiling takes seconds for each: of the laws of whole states one stands for all, which are captured.
WHOLE_STATES = [name for name, law in LAWS.items() if issubclass(law, StateLaw)]
COMPILED = [name for name in NAMES if name not in WHOLE_STATES or name == "ForestFire"]
GENERATED = {"UNet", "ConvLSTM", "NeuralCA", "SmoothLife", "AttentionNCA", "LearnedQCA", "ForestFire", "GrayScott", PLAIN}
Pair = tuple[Aetheria_Motor, Aetheria_Motor]


@pytest.fixture(scope="module", autouse=True)
def two_threads() -> Iterator[None]:
    """Code generated for several threads differs from that for one."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def captured(step: Step, options: object = None, *, compile_: Any = torch.compile, **settings: Any) -> Step:
    """As `torch.compile`, without generated code."""
    found: Step = compile_(step, backend="eager", **settings)
    return found


@pytest.fixture(scope="module", params=COMPILED)
def pair(request: pytest.FixtureRequest) -> Pair:
    """A compiled motor that has taken one step, and an eager one of the same law."""
    settings: dict[str, Any] = {"coin": "rotation"} if request.param == "QuantumWalk" else {}  # a coin that follows its control
    compiled = small_motor(small_law(request.param, **settings), batch=2, cfg={"plan": "compiled"})
    with pytest.MonkeyPatch.context() as patch:
        if request.param not in GENERATED:
            patch.setattr(torch, "compile", captured)
        compiled.step(1)
    return compiled, small_motor(small_law(request.param, **settings), batch=2)


def test_every_step_compiled_equals_the_same_step_eager(pair: Pair) -> None:
    compiled, eager = pair
    assert compiled.plan.name == "compiled", compiled.plan.reason
    for _ in range(4):
        eager.load_state_dict(compiled.state_dict())
        before = eager.cells
        compiled.step(1)
        assert not agree(compiled, eager), "the law stands still, or the tolerance lets everything pass"
        eager.step(1)
        assert agree(compiled, eager)
        assert not torch.equal(eager.cells, before)
        if isinstance(eager.law, Life):
            assert torch.equal(compiled.cells, eager.cells)


@pytest.mark.parametrize("name", WHOLE_STATES)
def test_a_law_of_whole_states_is_captured_as_one_graph_that_equals_eager(name: str) -> None:
    law = wrapped(small_law(name))
    rank = 2 if 2 in law.ranks else law.ranks[0]
    state = fresh(law, fitting(law, GRIDS[rank]), batch=2)
    captured = torch.compile(law, backend="eager", fullgraph=True, dynamic=False)

    def check() -> None:
        for phase in range(law.phases):
            given = {"phase": phase} if law.phases > 1 else {}
            with torch.inference_mode():
                found, expected = captured(*state, **given), law(*state, **given)
            for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (found, expected)), strict=True):
                assert torch.equal(one, other)

    check()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for control in (control for control in law.controls if isinstance(control, Control)):
            law.set_control(control.name, 0.3 * control.high)
            check()


def test_no_step_after_the_first_is_compiled_again(pair: Pair) -> None:
    compiled, _ = pair
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled.step(1)
        compiled.step(6)
        saved = compiled.state_dict()
        compiled.set_cells(saved["cells"].clone())
        compiled.step(1)
        compiled.load_state_dict(saved)
        compiled.set_cells(np.asarray(saved["cells"][0]))
        compiled.read("channel_0", 4)
        compiled.step(2)
        with torch.no_grad():
            compiled.step(1)
        assert isinstance(compiled.plan, Stepwise)
        # It would have been noticed: one universe instead of two is another shape.
        with torch.inference_mode(), pytest.raises(RecompileError):
            compiled.plan.step(*(tensor[:1] for tensor in (compiled.cells, *compiled.memory)))
    assert compiled.plan.name == "compiled"


def test_weights_edited_in_place_count_from_the_next_step(pair: Pair) -> None:
    compiled, eager = pair
    eager.load_state_dict(compiled.state_dict())
    before = compiled.state_dict()
    compiled.step(1)
    unedited, edited = compiled.cells, 0
    for motor in pair:
        with torch.no_grad():
            # Life's is a buffer, the table of the rule; Lenia's are the spectra of the kernel.
            spectra = motor.law._spectra.values() if isinstance(motor.law, Lenia) else ()
            for weight in filter(Tensor.is_floating_point, (*motor.law.parameters(), *motor.law.buffers(), *spectra)):
                weight.add_(0.05 * torch.sin(1 + torch.arange(weight.numel()).reshape(weight.shape)))
                edited += 1
    compiled.load_state_dict(before)
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled.step(1)
    eager.step(1)
    assert agree(compiled, eager)
    assert torch.allclose(compiled.cells, unedited, rtol=1e-3) == (not edited)


@pytest.mark.parametrize("pair", NUMBERS, indirect=True)
def test_twenty_values_of_each_control_are_honoured_without_compiling_again(pair: Pair) -> None:
    compiled, eager = pair
    with torch._dynamo.config.patch(error_on_recompile=True):
        for control in NUMBERS[eager.traits.name]:
            for value in values(eager.traits.name, control, 20):
                eager.load_state_dict(compiled.state_dict())
                for motor in pair:
                    motor.set_control(control, value)
                    motor.step(1)
                assert agree(compiled, eager), (control, value)
    assert compiled.plan.name == "compiled"


@pytest.mark.parametrize("precision", ["bf16", "fp64"])
def test_compiled_equals_eager_in_other_precisions(precision: str) -> None:
    compiled = small_motor(small_law("DEEP_QCA"), cfg={"plan": "compiled", "precision": precision})
    eager = small_motor(small_law("DEEP_QCA"), cfg={"precision": precision})
    for _ in range(3):
        eager.load_state_dict(compiled.state_dict())
        compiled.step(1)
        eager.step(1)
        assert agree(compiled, eager, precision)
    assert compiled.plan.name == "compiled"


# -- where compiling fails ---------------------------------------------------------------------------------------


class Unfit(Plain):
    """Steps like any module, and cannot be compiled in one piece."""

    def forward(self, cells: Tensor) -> Tensor:
        torch._dynamo.graph_break()
        return super().forward(cells)


def plain_like(law: nn.Module) -> Plain:
    plain = Plain()
    plain.load_state_dict(law.state_dict())
    return plain


def test_a_law_that_cannot_be_compiled_warns_once_and_steps_eagerly_with_the_same_result() -> None:
    law = Unfit()
    motor = Aetheria_Motor(law, (10, 12), 3, "cpu", {"plan": "compiled"}, seed=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        motor.step(2)
        motor.step(3)
    assert [w.category for w in caught] == [RuntimeWarning]
    said = str(caught[0].message)
    assert said.startswith("Unfit steps by plan eager: same result, slower. Reason: compiled failed: ")
    assert len(said.splitlines()) == 1
    assert (motor.plan.name, motor.step_count) == ("eager", 5)
    plain = Aetheria_Motor(plain_like(law), (10, 12), 3, "cpu", {"plan": "eager"}, seed=1)
    plain.step(5)
    assert torch.equal(motor.cells, plain.cells)


def test_a_compiled_step_that_gives_another_result_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(step: Step) -> Step:
        return lambda *state: tuple(tensor * 1.01 for tensor in step(*state))

    monkeypatch.setattr(compiling, "compile_step", wrong)
    motor = Aetheria_Motor(Plain(), (10, 12), 3, "cpu", {"plan": "compiled"})
    with pytest.warns(RuntimeWarning, match="does not agree with the eager one"):
        motor.step(1)
    assert motor.plan.name == "eager"


def test_a_compiler_that_is_missing_is_named_in_the_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise RuntimeError("no C++ compiler found\nand a page of advice")

    monkeypatch.setattr(torch, "compile", missing)
    motor = small_motor(small_law("MLP"), cfg={"plan": "compiled"})
    with pytest.warns(RuntimeWarning, match=r"MLP steps by plan eager.* Reason: .*no C\+\+ compiler found$"):
        motor.step(1)
    eager = small_motor(small_law("MLP"))
    eager.step(1)
    assert torch.equal(motor.cells, eager.cells)


# -- where compiling does not pay --------------------------------------------------------------------------------


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are chosen as usual, without the seconds of the compiler."""
    monkeypatch.setattr(compiling, "compile_step", lambda step: step)


@pytest.mark.parametrize(
    ("planned", "batch", "name"),
    [
        (0, 1, "eager"),
        (WORTH_COMPILING // 256 - 1, 1, "eager"),
        (WORTH_COMPILING // 256, 1, "compiled"),
        (WORTH_COMPILING // 512, 2, "compiled"),
        (None, 1, "compiled"),
    ],
)
@pytest.mark.usefixtures("uncompiled")
def test_auto_compiles_unless_the_run_is_known_to_be_short(planned: int | None, batch: int, name: str) -> None:
    motor = Aetheria_Motor(Plain(), (8, 32), 3, "cpu", {"plan": "auto", "planned_steps": planned}, batch=batch)
    if planned is None:
        motor.warm_up()
    motor.step(1)
    assert motor.plan.name == name
    assert motor.plan.reason


@pytest.mark.parametrize(
    ("planned", "name"), [(0, "eager"), (WORTH_BUILDING // 256 - 1, "eager"), (WORTH_BUILDING // 256, "packed")]
)
def test_auto_builds_a_kernel_for_shorter_runs_than_it_compiles_for(planned: int, name: str) -> None:
    motor = Aetheria_Motor(Life(), (8, 32), 1, "cpu", {"plan": "auto", "planned_steps": planned})
    assert motor.warm_up().name == name


@pytest.mark.usefixtures("uncompiled")
def test_a_requested_plan_is_taken_for_a_run_of_any_length() -> None:
    for plan in ("eager", "compiled"):
        motor = small_motor(small_law("Life"), cfg={"plan": plan, "planned_steps": 1})
        motor.step(1)
        assert (motor.plan.name, motor.plan.reason) == (plan, "asked for")


class Shrinking(nn.Module):
    def forward(self, cells: Tensor) -> Tensor:
        return cells[..., 1:]


@pytest.mark.parametrize("plan", ["eager", "compiled"])
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Shrinking(), r"Shrinking returned \[\(1, 3, 8, 7\)\] for \[\(1, 3, 8, 8\)\]"),
        (nn.Conv2d(5, 5, 1), r"Conv2d cannot step cells of shape \(1, 3, 8, 8\): .*Quantum\(net, d_state\)"),
        (nn.Identity(1), None),
    ],
)
def test_a_module_that_is_no_law_is_refused_at_the_first_step(module: nn.Module, message: str | None, plan: str) -> None:
    motor = Aetheria_Motor(module, 8, 3, "cpu", {"plan": plan})
    if message is None:
        motor.step(1)
        return
    with pytest.raises(LawError, match=message):
        motor.step(1)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_compiled_equals_eager_on_a_gpu(name: str) -> None:
    def on_gpu(plan: str) -> Aetheria_Motor:
        law = small_law(name)
        return Aetheria_Motor(law, (16, 20), width_of(law), "cuda", {"plan": plan}, seed=7)

    compiled, eager = on_gpu("compiled"), on_gpu("eager")
    for _ in range(3):
        eager.load_state_dict(compiled.state_dict())
        compiled.step(1)
        eager.step(1)
        assert agree(compiled, eager)
    assert compiled.plan.name == "compiled"


def test_a_law_that_draws_its_own_random_numbers_draws_those_of_the_plain_loop() -> None:
    class FireMask(nn.Module):
        def forward(self, cells: Tensor) -> Tensor:
            return cells + (torch.rand_like(cells) < 0.5)

    law, cells = FireMask(), torch.zeros(1, 1, 32, 32)
    motor = Aetheria_Motor(law, 32, 1, "cpu", {"plan": "compiled"}, initial=cells)
    torch.manual_seed(5)
    motor.step(4)
    assert motor.plan.name == "compiled"
    torch.manual_seed(5)
    for _ in range(4):
        cells = law(cells)
    assert torch.equal(motor.cells, cells)


def test_a_compiled_lenia_goes_on_after_another_motor_takes_its_law() -> None:
    law = Lenia()
    first = Aetheria_Motor(law, 32, 1, "cpu", {"plan": "compiled"}, seed=2)
    eager = Aetheria_Motor(Lenia(), 32, 1, "cpu", {"plan": "eager"}, seed=2)
    first.step(2)
    Aetheria_Motor(law, 28, 1, "cpu", {"plan": "eager"}).step(1)
    first.step(2)
    eager.step(4)
    assert agree(first, eager)
