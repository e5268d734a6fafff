"""Setup of a training: hardware, precision, batch size and memory."""

from dataclasses import replace
from mmap import mmap
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aetheria.core.errors import ConfigError, StateError
from aetheria.core.hardware import Hardware, all_hardware
from aetheria.training.batch_size import MicroBatches, largest_batch, peak_memory
from aetheria.training.setup import Setup, recommended, setup_training
from tests.small_laws import small_law

MIB = 2**20


def hardware(**changes: Any) -> Hardware:
    return replace(Hardware.detect("cpu"), **changes)


def gpu(major: int, minor: int, monkeypatch: pytest.MonkeyPatch) -> Hardware:
    monkeypatch.setattr("aetheria.core.hardware.find_device", lambda _: torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (6 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (major, minor))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    return Hardware.detect("cuda")


# -- what there is -----------------------------------------------------------------------------------------------


def test_the_cpu_is_described_as_the_system_does() -> None:
    found = Hardware.detect("cpu")
    assert 0 < found.memory_free <= found.memory_total
    assert found.cores >= 1
    assert found.capability is None
    assert next(all_hardware()).device == torch.device("cpu")
    lines = found.describe()
    assert lines["memory on cpu"].endswith("GiB free")
    assert ("bf16" in lines["precisions on cpu"].split(": ")[1]) == found.bf16


@pytest.mark.parametrize(("flags", "bf16"), [({"avx512_bf16": True}, True), ({"avx512_bf16": False, "avx2": True}, False)])
def test_a_cpu_takes_bf16_only_with_instructions_for_it(
    flags: dict[str, bool], bf16: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    assert recommended(Hardware.detect("cpu")).precision == ("bf16" if bf16 else "fp32")


GENERATIONS = [((9, 0), "bf16", True), ((8, 0), "bf16", True), ((7, 5), "fp16", False), ((6, 1), "fp32", False)]


@pytest.mark.parametrize(("capability", "precision", "tf32"), GENERATIONS)
def test_a_gpu_takes_what_its_generation_multiplies_fast(
    capability: tuple[int, int], precision: str, tf32: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = recommended(gpu(*capability, monkeypatch))
    assert (setup.precision, setup.tf32, setup.pin_memory) == (precision, tf32, True)
    assert f"compute capability {capability[0]}.{capability[1]}" in setup.hardware.describe()["cuda:0"]
    assert ("gradients scaled" in setup.summary()) == (precision == "fp16")


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 1), (64, 4)])
def test_readers_leave_a_core_to_the_trainer(cores: int, workers: int) -> None:
    assert recommended(hardware(cores=cores)).workers == workers


# -- set-up ------------------------------------------------------------------------------------------------------


def test_everything_can_be_set_by_hand() -> None:
    law = small_law("MLP").double().eval()
    setup = setup_training(law, device="cpu", precision="fp32", tf32=False, deterministic=True, workers=3, batch=5)
    assert (setup.precision, setup.tf32, setup.deterministic, setup.workers, setup.batch) == ("fp32", False, True, 3, 5)
    assert law.training
    assert {parameter.dtype for parameter in law.parameters()} == {torch.float32}
    with setup.numerics():
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.benchmark
        assert torch.backends.cuda.matmul.fp32_precision == "ieee"
    with replace(setup, tf32=True).numerics():
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    assert not torch.backends.cudnn.deterministic


@pytest.mark.parametrize(
    "wrong", [{"precision": "fp8"}, {"precision": "fp16"}, {"workers": -1}, {"batch": 0}, {"device": "toaster"}]
)
def test_what_cannot_be_honoured_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        setup_training(small_law("MLP"), **({"device": "cpu"} | wrong))


def test_the_network_computes_in_the_precision_and_its_weights_stay_float32() -> None:
    layer = nn.Conv2d(2, 2, 1)
    for precision, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        setup = setup_training(layer, device="cpu", precision=precision, batch=1)  # type: ignore[arg-type]
        with setup.autocast():
            assert layer(torch.zeros(1, 2, 4, 4)).dtype == dtype
        assert layer.weight.dtype == torch.float32
        assert not setup.scaler().is_enabled()
    assert replace(setup, precision="fp16").scaler().is_enabled()


def test_the_batch_is_found_with_real_steps_and_no_gradient_is_left() -> None:
    layer = nn.Conv2d(4, 4, 1)
    tried: list[int] = []

    def step(setup: Setup, size: int) -> None:
        tried.append(size)
        if size > 5:
            raise torch.OutOfMemoryError
        layer(torch.zeros(size, 4, 8, 8)).sum().backward()

    setup = setup_training(layer, device="cpu", step=step)
    assert setup.batch == 5
    assert tried[:4] == [1, 2, 4, 8]
    assert layer.weight.grad is None


# -- memory ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fits", [1, 2, 3, 7, 8, 100, 255, 256])
def test_the_largest_batch_that_fits_is_found(fits: int) -> None:
    """Whether memory runs out with an error, or would if it were tried."""

    def refuses(size: int) -> int:
        if size > fits:
            raise torch.OutOfMemoryError
        return 0

    assert largest_batch(refuses, room=1, most=256) == fits
    assert largest_batch(lambda size: 100 + 7 * size, room=100 + 7 * fits, most=256, margin=0.0) == fits


def test_a_margin_of_the_memory_stays_free() -> None:
    needs = 10.0
    assert largest_batch(lambda size: int(needs * size), room=1000, margin=0.25) == 75


def test_a_size_predicted_to_be_too_large_is_not_tried() -> None:
    tried: list[int] = []

    def probe(size: int) -> int:
        tried.append(size)
        return 50 * MIB + size * MIB

    assert largest_batch(probe, room=150 * MIB, margin=0.0) == 100
    assert max(tried) == 100


def test_a_batch_that_cannot_be_is_refused() -> None:
    with pytest.raises(StateError, match="not even one sample"):
        largest_batch(lambda _: 2 * MIB, room=MIB)
    with pytest.raises(ConfigError, match="margin"):
        largest_batch(lambda _: 0, room=1, margin=1.0)
    with pytest.raises(ValueError, match="a bug"):
        largest_batch(lambda _: raised(ValueError("a bug")), room=1)


def raised(error: Exception) -> NoReturn:
    raise error


def test_the_peak_of_memory_is_that_of_the_action() -> None:
    before = peak_memory(lambda: None, torch.device("cpu"))
    # Pages of their own: what malloc gives may have been resident before.
    with_much = peak_memory(lambda: np.frombuffer(mmap(-1, 64 * MIB), np.uint8).fill(1), torch.device("cpu"))
    assert 60 * MIB < with_much - before < 80 * MIB


class Short:
    """A loss that runs out of memory above so many samples, and remembers what it was given."""

    def __init__(self, layer: nn.Module, most: int) -> None:
        self.layer, self.most, self.sizes = layer, most, list[int]()

    def __call__(self, cells: Tensor, wanted: Tensor) -> Tensor:
        self.sizes.append(len(cells))
        if len(cells) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return (self.layer(cells) - wanted).square().mean()


@pytest.mark.parametrize(("most", "size"), [(7, None), (3, 3), (1, 1)])
def test_parts_give_the_gradients_of_the_whole_batch(most: int, size: int | None) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 3, 3).double()
    batch = (torch.rand(7, 3, 8, 8).double(), torch.rand(7, 3, 6, 6).double())
    expected = (layer(batch[0]) - batch[1]).square().mean()
    wanted = torch.autograd.grad(expected, list(layer.parameters()))
    micro, loss = MicroBatches(), Short(layer, most)
    if size is None:
        value = micro.backward(batch, loss, layer.zero_grad)
        assert loss.sizes == [7]
    else:
        with pytest.warns(RuntimeWarning, match="continuing with"):
            value = micro.backward(batch, loss, layer.zero_grad)
        assert loss.sizes[-2] == size
    assert micro.size == size
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close([parameter.grad for parameter in layer.parameters()], list(wanted))


def test_gradients_of_parts_before_memory_ran_out_do_not_count_twice() -> None:
    layer = nn.Linear(2, 1, bias=False).double()
    calls = 0

    def loss(cells: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError
        return layer(cells).mean()

    cells = torch.rand(4, 2).double()
    with pytest.warns(RuntimeWarning, match="continuing with 1"):
        MicroBatches(2).backward((cells,), loss, layer.zero_grad)
    torch.testing.assert_close(layer.weight.grad, cells.mean(0, keepdim=True))


def test_other_errors_than_lack_of_memory_are_raised_and_so_is_a_single_sample_too_large() -> None:
    layer = nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="shapes"):
        MicroBatches().backward((torch.zeros(2, 1),), lambda _: raised(RuntimeError("shapes")), layer.zero_grad)
    with pytest.raises(StateError, match="one sample at a time"):
        MicroBatches().backward((torch.zeros(1, 1),), lambda _: raised(MemoryError()), layer.zero_grad)
    with pytest.raises(ConfigError, match="micro_batch"):
        MicroBatches(0)
