"""The process-wide switches of torch: what is asked inside a block, nesting, threads, and what is left behind."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from aetheria.core.precision import Numerics, numerics

BACKENDS: Any = torch.backends
FP32, TF32 = Numerics(tf32=False, deterministic=True), Numerics(tf32=True, deterministic=False)
_NEWER = {
    "matmul": BACKENDS.cuda.matmul,
    "conv": BACKENDS.cudnn.conv,
    "rnn": BACKENDS.cudnn.rnn,
    "cpu": BACKENDS.mkldnn.matmul,
}


def older() -> dict[str, object]:
    """The answers of torch's older interface, which raises where the newer one contradicts it."""
    asked: dict[str, Callable[[], object]] = {
        "matmul": lambda: BACKENDS.cuda.matmul.allow_tf32,
        "cudnn": lambda: BACKENDS.cudnn.allow_tf32,
        "precision": torch.get_float32_matmul_precision,
    }
    answers: dict[str, object] = {}
    for name, ask in asked.items():
        try:
            answers[name] = ask()
        except RuntimeError:
            answers[name] = "raises"
    return answers


def switches() -> dict[str, object]:
    """Everything that a block may change."""
    cudnn = BACKENDS.cudnn
    newer = {f"newer {name}": switch.fp32_precision for name, switch in _NEWER.items()}
    return newer | older() | {"benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Every switch is as torch sets it, before and after a test."""
    names = ("matmul", "conv", "rnn", "cpu")
    before = [_NEWER[name].fp32_precision for name in names]
    yield
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = True
    BACKENDS.fp32_precision = "none"
    for name, value in zip(names, before, strict=True):
        _NEWER[name].fp32_precision = value


def use_high() -> None:
    torch.set_float32_matmul_precision("high")


def use_medium() -> None:
    torch.set_float32_matmul_precision("medium")


def use_older() -> None:
    BACKENDS.cuda.matmul.allow_tf32 = True
    BACKENDS.cudnn.allow_tf32 = False


def use_newer() -> None:
    BACKENDS.cuda.matmul.fp32_precision = "tf32"
    BACKENDS.cudnn.conv.fp32_precision = "ieee"


def use_generic() -> None:
    BACKENDS.fp32_precision = "tf32"


def use_nothing() -> None:
    pass


@pytest.mark.parametrize("wanted", [FP32, TF32])
@pytest.mark.parametrize("use", [use_nothing, use_high, use_medium, use_older, use_newer, use_generic])
def test_both_interfaces_of_torch_answer_alike_inside_and_are_restored(use: Callable[[], None], wanted: Numerics) -> None:
    use()
    before = switches()
    with numerics(wanted):
        inside = switches()
        if use is not use_generic:  # with which torch's own block raises outside of ours, too
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                pass
    assert [inside[f"newer {name}"] for name in ("matmul", "conv", "rnn")] == ["tf32" if wanted.tf32 else "ieee"] * 3
    assert (inside["matmul"], inside["cudnn"]) == (wanted.tf32, wanted.tf32)
    assert inside["precision"] in (("high", "medium") if wanted.tf32 else ("highest",))
    assert (inside["benchmark"], inside["deterministic"]) == (not wanted.deterministic, wanted.deterministic)
    assert switches() == before


def test_what_was_inherited_still_follows_afterwards() -> None:
    use_generic()
    with numerics(FP32):
        pass
    BACKENDS.fp32_precision = "ieee"
    assert BACKENDS.cuda.matmul.fp32_precision == "ieee"


def finishes(work: Callable[[], None]) -> bool:
    """Whether it returns within a minute, in a thread that may hang."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def test_a_block_inside_another_of_the_same_thread_interrupts_it() -> None:
    seen: list[bool] = []

    def tf32() -> None:
        seen.append(BACKENDS.cuda.matmul.allow_tf32)

    def work() -> None:
        with numerics(TF32):
            tf32()
            with numerics(FP32):
                tf32()
                with numerics(FP32), numerics(TF32):
                    tf32()
                tf32()
            tf32()

    before = switches()
    assert finishes(work)
    assert seen == [True, False, True, False, True]
    assert switches() == before


def test_an_error_inside_an_inner_block_leaves_the_outer_ones_switches() -> None:
    def fail() -> None:
        with numerics(FP32):
            raise ValueError("inside")

    with numerics(TF32):
        with pytest.raises(ValueError, match="inside"):
            fail()
        assert BACKENDS.cuda.matmul.allow_tf32


def test_two_threads_that_nest_the_other_ones_block_do_not_wait_for_each_other_for_ever() -> None:
    both = threading.Barrier(2)
    wrong: list[bool] = []

    def inside(wanted: Numerics) -> None:
        wrong.extend(True for _ in range(50) if BACKENDS.cudnn.deterministic != wanted.deterministic)

    def work(outer: Numerics, inner: Numerics) -> None:
        for _ in range(20):
            both.wait(60)
            with numerics(outer):
                inside(outer)
                with numerics(inner):
                    inside(inner)
                inside(outer)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in ((FP32, TF32), (TF32, FP32))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
