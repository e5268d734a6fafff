"""The packed plan on CUDA: Life-like rules on words of 64 cells, several steps in a pass where the kernel takes the grid."""

import importlib.util

import torch
from torch import Tensor

from aetheria.laws.base import Law
from aetheria.laws.forms import BitRule
from aetheria.stepping import bit_sliced_life
from aetheria.stepping.compiled import Compiled
from aetheria.stepping.edges import edge_words, margin_of_words
from aetheria.stepping.plan import Plan, State
from aetheria.stepping.unmodified import form_of, keeps

PASSES = (8, 4, 2, 1)  # steps in a pass; the kernel is compiled for each
BLOCK = 128  # lanes in a program, one per thread
LANES = 50_000  # lanes that an H100 runs at once: 132 processors with registers for twelve warps of the kernel each
FEWEST_ROWS, MOST_ROWS = 16, 256  # rows that a lane steps; it reads up to sixteen more


def why_not_in_passes(law: Law, width: int) -> str:
    """Why grids of this width cannot be stepped several steps in a pass, for people; empty if they can."""
    if law.boundary == "periodic" and width < bit_sliced_life.WORD:
        return f"a periodic grid {width} cells wide; the kernel needs {bit_sliced_life.WORD}, so as not to wrap around twice"
    return "" if importlib.util.find_spec("triton") else "Triton is not installed"


class _Packed(Plan):
    """Steps a `BitRule` exactly; the state is words `(B, H, ceil(W / 64))`, int64."""

    name = "packed"

    def __init__(self, law: Law, cells: Tensor) -> None:
        rule = form_of(law, BitRule)
        assert isinstance(rule, BitRule)
        self._law, self._rule = law, rule
        self._width, self._type = cells.shape[-1], cells.dtype

    def pack(self, state: State) -> State:
        return (bit_sliced_life.pack(state[0]),)

    def unpack(self, held: State) -> State:
        return (bit_sliced_life.unpack(held[0], self._width, self._type),)

    def edges(self, held: State) -> Tensor:
        return edge_words(held[0], self._width)

    def margin(self, held: State) -> Tensor:
        return margin_of_words(held[0], self._width)

    def stale(self) -> bool:
        return not keeps(self._law, self._rule)


class PackedOnCuda(_Packed):
    """One step in a pass, in compiled torch operations, on any grid."""

    def __init__(self, law: Law, cells: Tensor) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`; only the shape and the type matter. Raises the compiler's exceptions.
        """
        super().__init__(law, cells)
        width, table, boundary = self._width, self._rule.table, self._rule.boundary

        def step(words: Tensor) -> State:
            return (bit_sliced_life.step(words, width, boundary, table),)

        self._words = Compiled(step, self.pack((cells,)))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        return self._words.advance(held, steps)


class PackedInPasses(_Packed):
    """Up to eight steps in a pass, by a Triton kernel."""

    def __init__(self, law: Law, cells: Tensor, block: int = BLOCK) -> None:
        """
        Args:
            cells: `(B, 1, H, W)`; only the shape and the type matter. `why_not_in_passes` must be empty for their width.
            block: lanes in a program, a power of two.
        """
        super().__init__(law, cells)
        table, self._boundary = self._rule.table, self._rule.boundary
        self._born_stays = tuple((n <= 8 and table[n] > 0, n >= 1 and table[8 + n] > 0) for n in range(10))
        self._block = block

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        """The state after `steps` steps; every second pass overwrites the given one."""
        words = held[0]
        spare = torch.empty_like(words)
        for taken in PASSES:
            for _ in range(steps // taken):
                self._pass(words, spare, taken)
                words, spare = spare, words
            steps %= taken
        return (words,)

    def check(self, held: State) -> None:
        """Compiles each pass, which is not possible while a graph is captured, and compares it with two of half as many steps.

        Raises:
            RuntimeError: they differ.
        """
        words = held[0]
        half = self.advance((words.clone(),), 1)
        for steps in reversed(PASSES[:-1]):
            whole = self.advance((words.clone(),), steps)
            if not torch.equal(whole[0], self.advance(half, steps // 2)[0]):
                raise RuntimeError(f"{steps} steps in one pass differ from those in two")
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
                enable_fp_fusion=True,  # Triton's default; without it Triton warns
            )
