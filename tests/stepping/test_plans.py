"""The fused and packed plans equal eager steps in float64 on odd sizes, batches and all boundaries; choosing a plan."""

import copy
import warnings
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, LawError, StateError
from aetheria.laws import DEEP_QCA, MLP, GrowingNCA, Law, Life, UNet
from aetheria.laws.layers import Conv
from aetheria.laws.local_network import CellNetwork, Dense, one_hot
from aetheria.motor.motor import Aetheria_Motor
from aetheria.stepping import compiled
from aetheria.stepping.cpu.bit_packed_life import PackedOnCpu
from aetheria.stepping.cpu.local_network import FusedOnCpu
from aetheria.stepping.gpu.bit_packed_life import PackedOnCuda
from aetheria.stepping.plan import Plan, State
from tests.small_laws import small_law, small_motor
from tests.stepping.life_rules import EVERY_CASE

BOUNDARIES = ("periodic", "zero", "reflect")
FUSED = ("MLP", "DEEP_QCA", "GrowingNCA")
sides = st.integers(1, 40)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def lively(law: Law, seed: int = 0) -> Law:
    """The law with weights large enough that a wrong neighbour or layer shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in law.named_parameters():
        centre = 1.0 if "scale" in name else 0.0
        parameter.data = centre + 0.3 * torch.randn(parameter.shape, generator=generator)
    return law.eval()


def state_for(law: Law, batch: int, height: int, width: int, seed: int = 0) -> State:
    generator = torch.Generator().manual_seed(seed)
    cells = torch.rand(batch, law.channels, height, width, generator=generator) - 0.3
    cells[..., : width // 3] = 0  # where nothing lives
    return (cells, *(law.initial_memory(cells, 5) if isinstance(law, GrowingNCA) else ()))


def stepped(law: Law, state: State, steps: int) -> State:
    """`steps` eager steps in float64."""
    exact = copy.deepcopy(law).double()
    state = (state[0].double(), *state[1:])
    with torch.inference_mode():
        for _ in range(steps):
            out = exact(*state)
            state = out if isinstance(out, tuple) else (out,)
    return state


def advanced(plan: Plan, state: State, steps: int) -> State:
    with torch.inference_mode():
        return plan.unpack(plan.advance(plan.pack(state), steps))


def assert_close(given: State, expected: State, tolerance: float = 1e-4, tipped: float = 0.0) -> None:
    for one, other in zip(given, expected, strict=True):
        assert one.shape == other.shape
        if not one.is_floating_point():
            assert torch.equal(one, other)
            continue
        near = (one - other).abs() <= tolerance * other[other.isfinite()].abs().max()
        far = ~(near | (one.isnan() & other.isnan()))
        assert float(far.double().mean()) <= tipped, f"{int(far.sum())} of {far.numel()} cells differ"


# Where a cell lives by a hair's breadth float32 and float64 may disagree.
def tipping(law: Law) -> float:
    return 2e-3 if isinstance(law, GrowingNCA) else 0.0


# -- fused -------------------------------------------------------------------------------------------------------------


@st.composite
def cell_laws(draw: st.DrawFn) -> Law:
    boundary: Any = draw(st.sampled_from(BOUNDARIES))
    kind = draw(st.sampled_from(FUSED))
    hidden = draw(st.integers(1, 40))
    if kind == "GrowingNCA":
        rate = draw(st.sampled_from([0.2, 0.5, 1.0]))
        return lively(GrowingNCA(draw(st.integers(4, 9)), hidden, fire_rate=rate, boundary=boundary))
    quantum: dict[str, Any] = {
        "boundary": boundary,
        "norm": draw(st.sampled_from(["channel", "none"])),
        "decay": draw(st.sampled_from([0.0, 0.2])),
        "normalise": draw(st.sampled_from(["none", "cell", "grid"])),
    }
    d_state = draw(st.integers(1, 5))
    if kind == "MLP":
        return lively(MLP(d_state, hidden, perceive=draw(st.sampled_from(["moore", "self"])), **quantum))
    return lively(DEEP_QCA(d_state, hidden, perceive=draw(st.sampled_from(["each", "sum"])), **quantum))


@many
@given(law=cell_laws(), batch=st.integers(1, 3), height=sides, width=sides, steps=st.integers(1, 3))
def test_fused_equals_eager(law: Law, batch: int, height: int, width: int, steps: int) -> None:
    least = 2 if law.boundary == "reflect" else 1
    state = state_for(law, batch, max(height, least), max(width, least))
    assert_close(advanced(FusedOnCpu(law), state, steps), stepped(law, state, steps), tipped=tipping(law))


@pytest.mark.parametrize("width", [63, 255, 256, 257, 700])
def test_fused_rows_wider_than_a_tile_equal_eager(width: int) -> None:
    for law in (lively(MLP(2, 8)), lively(DEEP_QCA(2, 8, perceive="sum")), lively(GrowingNCA(5, 9))):
        state = state_for(law, 2, 19, width)
        assert_close(advanced(FusedOnCpu(law), state, 2), stepped(law, state, 2), tipped=tipping(law))


@pytest.mark.parametrize("name", FUSED)
def test_threads_and_chunks_change_no_bit_of_a_fused_run(name: str) -> None:
    law = lively(small_law(name))  # type: ignore[arg-type]
    state = state_for(law, 2, 70, 130)
    results = []
    before = torch.get_num_threads()
    for threads, chunks in ((1, (40,)), (2, (40,)), (3, (1, 9, 30))):
        torch.set_num_threads(threads)
        plan = FusedOnCpu(law)
        given = state
        for steps in chunks:
            given = advanced(plan, given, steps)
        results.append(given)
    torch.set_num_threads(before)
    assert torch.isfinite(results[0][0]).all()
    for other in results[1:]:
        assert all(map(torch.equal, results[0], other))


def test_a_seed_on_dead_ground_grows_as_in_the_law() -> None:
    law = GrowingNCA(6, 12)
    lively(law)
    seeded = torch.zeros(1, 6, 40, 300)
    seeded[..., 20, 150] = 1
    state = (seeded, *law.initial_memory(seeded, seed=3))
    assert_close(advanced(FusedOnCpu(law), state, 12), stepped(law, state, 12))


def test_a_fire_rate_below_every_random_word_fires_no_cell() -> None:
    law = GrowingNCA(4, 8, fire_rate=1e-12)
    lively(law)
    state = state_for(law, 1, 8, 9)
    after = advanced(FusedOnCpu(law), state, 1)[0]
    assert torch.equal(after, torch.where(law.living(state[0]), state[0], 0))


@pytest.mark.parametrize("law", [lively(MLP(2, 8)), lively(GrowingNCA(5, 8)), lively(DEEP_QCA(2, 8, normalise="none"))])
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_cells_are_finite_where_they_are_in_eager(law: Law, poison: float) -> None:
    state = state_for(law, 1, 12, 20)
    state[0][0, 1, 6, 12] = poison
    given, expected = advanced(FusedOnCpu(law), state, 2)[0], stepped(law, state, 2)[0]
    assert torch.equal(given.isfinite(), expected.isfinite())
    assert not given.isfinite().all() or isinstance(law, GrowingNCA)  # where alpha is not finite, everything near dies


def test_a_nan_in_alpha_kills_its_neighbourhood_as_in_eager() -> None:
    law = lively(GrowingNCA(5, 8))
    state = state_for(law, 1, 12, 20)
    state[0][0, 3, 6, 12] = float("nan")
    assert_close(advanced(FusedOnCpu(law), state, 1), stepped(law, state, 1))


@pytest.mark.parametrize("name", FUSED)
def test_weights_edited_in_place_count_from_the_next_fused_step(name: str) -> None:
    law = lively(small_law(name))  # type: ignore[arg-type]
    state = state_for(law, 1, 12, 20)
    plan = FusedOnCpu(law)
    before = advanced(plan, state, 1)
    for parameter in law.parameters():
        parameter.data.mul_(1.1)  # behind autograd's back
    assert_close(advanced(plan, state, 1), stepped(law, state, 1))
    with pytest.raises(AssertionError):
        assert_close(before, stepped(law, state, 1))


# -- packed ------------------------------------------------------------------------------------------------------------

rules = st.tuples(st.sets(st.integers(0, 8)), st.sets(st.integers(0, 8))).map(
    lambda counts: "B{}/S{}".format(*("".join(map(str, sorted(one))) for one in counts))
)


def at_least_two(boundary: str, height: int, width: int) -> tuple[int, int]:
    """A grid that can be mirrored, where it is to be."""
    least = 2 if boundary == "reflect" else 1
    return max(height, least), max(width, least)


def soup(batch: int, height: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(batch, 1, height, width, generator=generator) < 0.4).float()


def test_four_rules_have_every_case_of_birth_and_survival() -> None:
    tables = [rule.table for each in EVERY_CASE if (rule := Life(each).bit_rule())]
    assert len(tables) == len(EVERY_CASE)
    for count in range(1, 9):  # live cells in the 3x3 block: `count` neighbours of a dead cell, `count - 1` of a live one
        assert len({(table[count], table[9 + count - 1]) for table in tables}) == 4


@pytest.mark.parametrize("rule", ["B3/S23", *EVERY_CASE])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@settings(max_examples=12, deadline=None)
@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 150),
    width=st.integers(1, 200),
    steps=st.integers(1, 20),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_packed_equals_eager_exactly(
    rule: str, boundary: Any, batch: int, height: int, width: int, steps: int, threads: int, seed: int
) -> None:
    law = Life(rule, boundary=boundary)
    cells = soup(batch, *at_least_two(boundary, height, width), seed)
    expected = cells
    for _ in range(steps):
        expected = law(expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackedOnCpu, "thread_updates", 1)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        assert torch.equal(advanced(PackedOnCpu(law, cells), (cells,), steps)[0], expected)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(
    ("batch", "height", "width"),
    [(1, 150, 1024), (4, 9, 512), (2, 70, 576), (8, 9, 64), (9, 70, 256), (17, 5, 100), (8, 1, 128), (1, 1, 512), (8, 99, 960)],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_packed_rows_of_whole_vectors_and_small_grids_of_a_batch_equal_eager(
    threads: int, batch: int, height: int, width: int, boundary: Any
) -> None:
    law, cells = Life(boundary=boundary), soup(batch, *at_least_two(boundary, height, width), 1)
    expected = cells
    for _ in range(19):
        expected = law(expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackedOnCpu, "thread_updates", 1)
        patch.setattr(torch, "get_num_threads", lambda: threads)
        assert torch.equal(advanced(PackedOnCpu(law, cells), (cells,), 19)[0], expected)


@many
@given(
    rule=rules,
    boundary=st.sampled_from(BOUNDARIES),
    batch=st.integers(1, 2),
    height=st.integers(1, 20),
    width=st.one_of(st.integers(1, 150), st.sampled_from([63, 64, 65, 128])),
)
def test_packed_in_torch_operations_equals_eager_exactly(rule: str, boundary: Any, batch: int, height: int, width: int) -> None:
    law, cells = Life(rule, boundary=boundary), soup(batch, *at_least_two(boundary, height, width), 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "compile_step", lambda step: step)
        assert torch.equal(advanced(PackedOnCuda(law, cells), (cells,), 3)[0], law(law(law(cells))))


def test_packed_in_torch_operations_compiles_without_graph_breaks() -> None:
    law, cells = Life(), soup(1, 30, 100, 3)
    assert torch.equal(advanced(PackedOnCuda(law, cells), (cells,), 2)[0], law(law(cells)))


def test_an_r_pentomino_has_116_cells_at_generation_1103() -> None:
    height, width = 2048, 1024  # more rows than a strip has; no glider gets round the torus
    cells = torch.zeros(1, height, width)
    for y, x in ((0, 1), (0, 2), (1, 0), (1, 1), (2, 1)):
        cells[0, height // 2 + y, width // 2 + x] = 1
    motor = Aetheria_Motor(Life(), (height, width), 1, "cpu", {"plan": "packed"}, initial=cells)
    motor.step(1103)
    assert int(motor.cells.sum()) == 116


def test_a_new_rule_applies_from_the_next_step() -> None:
    law = Life()
    motor = Aetheria_Motor(law, (20, 70), 1, "cpu", {"plan": "packed"}, initial=soup(1, 20, 70, 2)[0])
    motor.step(3)
    expected = motor.cells
    law.rule = "B36/S125"
    motor.step(3)
    for _ in range(3):
        expected = Life("B36/S125")(expected)
    assert torch.equal(motor.cells, expected)
    assert motor.plan.name == "packed"


# -- choosing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "cfg", "words"),
    [
        (UNet(1, 4), {"plan": "fused"}, "UNet is no network of one cell"),
        (MLP(1, 4, norm="group"), {"plan": "fused"}, "MLP is no network of one cell"),
        (MLP(1, 4), {"plan": "fused", "precision": "fp64"}, "its kernel computes in float32, and fp64 is wanted"),
        (MLP(1, 4), {"plan": "packed"}, "MLP is no two-state outer-totalistic rule"),
        (MLP(1, 4), {"plan": "graphed"}, "it is for a CUDA GPU, and the cells are on the CPU"),
    ],
)
def test_a_requested_plan_that_cannot_step_the_law_is_refused(law: Law, cfg: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        small_motor(law, (16, 16), cfg=cfg).step(1)


@pytest.mark.parametrize(
    ("name", "plan"), [("MLP", "fused"), ("DEEP_QCA", "fused"), ("GrowingNCA", "fused"), ("Life", "packed")]
)
def test_auto_takes_our_kernel_and_a_run_with_pauses_edits_and_reads_equals_eager(name: str, plan: str) -> None:
    fast, eager = (small_motor(small_law(name), cfg={"plan": one}) for one in ("auto", "eager"))
    for motor in (fast, eager):
        motor.warm_up()
        motor.step(2)
        motor.set_cells(motor.cells.flip(-1))
        motor.step(1)
        motor.read("channel_0")
        motor.step(4)
        saved = motor.state_dict()
        motor.step(3)
        motor.load_state_dict(saved)
        motor.step(2)
    assert fast.plan.name == plan
    assert_close((fast.cells, *fast.memory), (eager.cells, *eager.memory), 0 if name == "Life" else 1e-3)


def test_a_kernel_with_another_result_than_eager_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    original = FusedOnCpu.advance

    def wrong(self: FusedOnCpu, held: State, steps: int) -> State:
        cells, *memory = original(self, held, steps)
        return (cells * 1.01, *memory)

    monkeypatch.setattr(FusedOnCpu, "advance", wrong)
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    motor = small_motor(small_law("MLP"), cfg={"plan": "auto"})
    with pytest.warns(RuntimeWarning, match="MLP steps by plan compiled.*fused failed: .*does not agree with the eager"):
        motor.warm_up()
    motor.step(1)
    eager = small_motor(small_law("MLP"))
    eager.step(1)
    assert torch.equal(motor.cells, eager.cells)


# -- forms of laws ------------------------------------------------------------------------------------------------------


def test_a_cell_network_is_the_formula_of_its_law() -> None:
    """The description itself, evaluated naively, is the law."""
    for law in (lively(MLP(2, 5, normalise="none")), lively(DEEP_QCA(2, 5, normalise="none", decay=0.1))):
        law = law.double()
        network = law.cell_network()
        assert isinstance(network, CellNetwork)
        cells = torch.rand(1, 4, 6, 7, dtype=torch.float64)
        filters = torch.tensor(network.filters, dtype=torch.float64)
        h = torch.zeros(len(filters), 4, 6, 7, dtype=torch.float64)
        for f, y, x in filters.nonzero().tolist():
            h[f] += filters[f, y, x] * cells[0].roll((1 - y, 1 - x), (1, 2))
        values = h.flatten(0, 1)
        for layer in network.layers:
            values = torch.einsum("oi,ihw->ohw", layer.weight, values) + layer.bias[:, None, None]  # type: ignore[index]
            if layer.scale is not None:
                values = values / (values.square().mean(0) + layer.eps).sqrt() * layer.scale[:, None, None]
            values = nn.functional.elu(values) if layer.activation == "elu" else values
        assert isinstance(network.decay, float)
        expected = cells[0] + values - network.decay * cells[0]
        torch.testing.assert_close(law(cells)[0], expected)


def test_choosing_a_plan_warns_of_nothing_where_nothing_is_wrong() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("MLP", "Life"):
            small_motor(small_law(name), cfg={"plan": "auto"}).warm_up()


# -- descriptions that are wrong ---------------------------------------------------------------------------------------


def network(filters: int = 1, weight: tuple[int, int] = (6, 4), out: tuple[int, int] = (4, 6), **changes: Any) -> CellNetwork:
    layers = (Dense(torch.zeros(weight), None, "relu"), Dense(torch.zeros(out), torch.zeros(out[0]), "none"))
    return CellNetwork(one_hot(*[(1, 1)] * filters), changes.pop("layers", layers), "periodic", **changes)


def test_a_cell_network_with_shapes_that_do_not_fit_is_refused() -> None:
    network()
    for wrong in (
        {"filters": 2},
        {"filters": 0},
        {"weight": (6, 5)},
        {"out": (4, 7)},
        {"layers": (Dense(torch.zeros(4, 4), None, "none"),)},
        {"layers": (Dense(torch.zeros(6, 4), torch.zeros(5), "none"), Dense(torch.zeros(4, 6), None, "none"))},
        {"alive": (4, 0.1)},
    ):
        with pytest.raises(LawError, match="cell_network: "):
            network(**wrong)


class Swapped(MLP):
    """A layer was replaced after the law was made."""

    def __init__(self) -> None:
        super().__init__(1, 4)
        setattr(self, "hidden", nn.Sequential(self.hidden, nn.Dropout()))  # noqa: B010 - of another type


def test_a_law_whose_cell_network_fails_or_no_longer_fits_steps_by_another_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    wide = MLP(1, 4)
    wide.perceive = Conv(2, 4, 5, "periodic")
    patched = MLP(1, 4)
    setattr(patched, "forward", lambda cells: cells)  # noqa: B010 - a method
    for law in (Swapped(), wide, patched):
        assert small_motor(law, (16, 16), cfg={"plan": "auto"}).warm_up().name == "compiled"


def test_a_hook_registered_during_a_run_is_called_from_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "compile_step", lambda step: step)
    law = MLP(1, 4)
    motor = small_motor(law, (16, 16), cfg={"plan": "auto"})
    motor.warm_up()
    motor.step(2)
    called: list[int] = []
    law.hidden.register_forward_hook(lambda *_: called.append(1))
    motor.step(1)
    assert called


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_default_dtype_of_the_process_changes_nothing(dtype: torch.dtype) -> None:
    law, cells = Life(), soup(1, 20, 70, 1)
    network_law = lively(MLP(2, 8))
    state = state_for(network_law, 1, 9, 12)
    expected = law(cells), stepped(network_law, state, 1)
    torch.set_default_dtype(dtype)
    try:
        given = advanced(PackedOnCpu(law, cells), (cells,), 1)[0], advanced(FusedOnCpu(network_law), state, 1)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(given[0], expected[0])
    assert_close(given[1], expected[1])


def test_a_kernel_overwrites_neither_given_cells_nor_results_of_steps_from_elsewhere() -> None:
    law = lively(MLP(2, 8))
    state = state_for(law, 1, 9, 12)
    plan, before = FusedOnCpu(law), state[0].clone()
    results = [advanced(plan, state, steps) for steps in (1, 2, 3, 4)]
    assert torch.equal(state[0], before)
    for steps, result in zip((1, 2, 3, 4), results, strict=True):
        assert torch.equal(result[0], advanced(FusedOnCpu(law), state, steps)[0])
        for further in (1, 2, 3):
            held = tuple(tensor.clone() for tensor in result)
            assert torch.equal(advanced(plan, result, further)[0], advanced(FusedOnCpu(law), held, further)[0])
            assert torch.equal(result[0], held[0])
            result = held


def test_no_steps_change_nothing() -> None:
    for plan, state in (
        (FusedOnCpu(lively(MLP(2, 8))), state_for(MLP(2, 8), 1, 9, 12)),
        (PackedOnCpu(Life(), soup(1, 9, 70, 1)), (soup(1, 9, 70, 1),)),
    ):
        assert torch.equal(advanced(plan, state, 0)[0], state[0])


# -- laws that are no longer what their class says ---------------------------------------------------------------------


class Louder(MLP):
    """Overrides a step that the description it inherits knows nothing of."""

    def predict(self, cells: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        return (2 * super().predict(cells, *memory)[0],)


class Quieter(MLP):
    """Overrides only what is no part of a step."""

    def random_cells(self, grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return 0.5 * super().random_cells(grid, generator)


class Backwards(Life):
    def forward(self, cells: Tensor) -> Tensor:
        return 1 - super().forward(cells)


def test_subclasses_with_another_step_and_laws_with_hooks_are_refused() -> None:
    hooked = MLP(1, 4)
    hooked.hidden.register_forward_hook(lambda *_: None)
    for law, plan, words in (
        (Louder(1, 4), "fused", "Louder overrides predict"),
        (hooked, "fused", "it has forward hooks"),
        (Backwards(), "packed", "Backwards overrides forward"),
    ):
        with pytest.raises(ConfigError, match=words):
            small_motor(law, (16, 16), cfg={"plan": plan}).warm_up()
    assert small_motor(Quieter(1, 4), (16, 16), cfg={"plan": "auto"}).warm_up().name == "fused"


def test_a_kernel_out_of_memory_is_an_error_that_names_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    motor = small_motor(small_law("MLP"), cfg={"plan": "fused"})
    motor.warm_up()
    assert isinstance(motor.plan, FusedOnCpu)
    monkeypatch.setattr(motor.plan, "_kernel", lambda _: 1)
    with pytest.raises(StateError, match="MLP: out of memory"):
        motor.step(1)


@pytest.mark.parametrize("law", [MLP(2, 8), GrowingNCA(16)], ids=["MLP", "GrowingNCA"])
def test_universes_of_a_large_batch_step_as_each_alone_bit_for_bit(law: Law) -> None:
    state = state_for(lively(law), 20, 40, 37)  # so many that more rows are taken together
    together = advanced(FusedOnCpu(law), state, 3)[0]
    for universe in range(0, 20, 7):
        alone = tuple(tensor[universe : universe + 1].contiguous() for tensor in state)
        assert torch.equal(advanced(FusedOnCpu(law), alone, 3)[0], together[universe : universe + 1])
