"""The packed plan on CUDA: Life-like rules on 64 cells a word, several steps a pass where the kernel takes the grid."""

import importlib.util

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.cpu.bit_packed_life import rule_of
from aetheria.stepping.gpu import bit_sliced_life
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import bit_rule_of

PASSES = (8, 4, 2, 1)  # steps of the passes there are; the kernel is compiled for each
BLOCK = 128  # lanes a program, one a thread
LANES = 50_000  # that an H100 runs at once: 132 processors with registers for twelve warps of the kernel each
FEWEST_ROWS, MOST_ROWS = 16, 256  # of a lane; it reads those it steps and up to sixteen more


def why_not_in_passes(law: Law, width: int) -> str:
    """Why grids of this width cannot be stepped several steps a pass, for people; empty if they can."""
    if law.boundary == "periodic" and width < bit_sliced_life.WORD:
        return f"a periodic grid {width} cells wide; the kernel wants {bit_sliced_life.WORD}, or goes round more than once"
    return "" if importlib.util.find_spec("triton") else "Triton is not installed"


class _Packed(Plan):
    """Steps `Life` exactly; cells are held as words `(B, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        self._law, self._rule = law, rule_of(law)
        self._width, self._type = cells.shape[-1], cells.dtype

    def pack(self, state: State) -> State:
        return (bit_sliced_life.pack(state[0]),)

    def unpack(self, held: State) -> State:
        return (bit_sliced_life.unpack(held[0], self._width, self._type),)

    def stale(self) -> bool:
        return self._rule != bit_rule_of(self._law)


class PackedOnCuda(_Packed):
    """One step a pass, in compiled torch operations: any grid."""

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`, for their shape and type. Raises what the compiler does.
        """
        super().__init__(law, cells)
        width, table, boundary = self._width, self._rule.table, self._rule.boundary

        def step(words: Tensor) -> State:
            return (bit_sliced_life.step(words, width, boundary, table),)

        self._words = Compiled(step, self.pack((cells,)))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        return self._words.advance(held, steps)


class PackedInPasses(_Packed):
    """Up to eight steps a pass, by a Triton kernel."""

    def __init__(self, law: Law, cells: Tensor, block: int = BLOCK) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`, for their shape and type; `why_not_in_passes` has nothing against them.
            block: lanes a program, a power of two.
        """
        super().__init__(law, cells)
        table, self._boundary = self._rule.table, self._rule.boundary
        self._born_stays = tuple((n <= 8 and table[n] > 0, n >= 1 and table[8 + n] > 0) for n in range(10))
        self._block = block

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        """What is held after `steps` steps; every second pass is written over what is given."""
        words = held[0]
        spare = torch.empty_like(words)
        for taken in PASSES:
            for _ in range(steps // taken):
                self._pass(words, spare, taken)
                words, spare = spare, words
            steps %= taken
        return (words,)

    def check(self, held: State) -> None:
        """Compiles each pass, which may not happen while a graph is captured, and compares it with two of half as many steps.

        Raises:
            RuntimeError: they differ.
        """
        words = held[0]
        half = self.advance((words.clone(),), 1)
        for steps in reversed(PASSES[:-1]):
            whole = self.advance((words.clone(),), steps)
            if not torch.equal(whole[0], self.advance(half, steps // 2)[0]):
                raise RuntimeError(f"{steps} steps in one pass are not those in two")
            half = whole

    def _pass(self, words: Tensor, after: Tensor, steps: int) -> None:
        from aetheria.stepping.gpu.life_kernel import OWN, step_words

        batch, height, row = words.shape
        columns = -(-row * bit_sliced_life.WORD // OWN.value)
        rows = min(max(-(-batch * height * columns // LANES), FEWEST_ROWS), MOST_ROWS)
        segments = -(-height // rows)
        lanes = batch * segments * columns
        with torch.cuda.device_of(words):  # type: ignore[no-untyped-call]  # by torch's stubs
            step_words[(-(-lanes // self._block),)](
                words,
                after.view(torch.int16),
                lanes,
                height,
                self._width,
                columns,
                segments,
                rows,
                steps=steps,
                rule=self._born_stays,
                boundary=self._boundary,
                block=self._block,
                enable_fp_fusion=True,  # says so only because not to say it makes Triton warn
            )
