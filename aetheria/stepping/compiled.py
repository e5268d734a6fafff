"""The compiled plan: the whole step as one function made by `torch.compile`."""

import types
import warnings

import torch

from aetheria.stepping.plan import State, Step, Stepwise


class Compiled(Stepwise):
    """One compiled function from state to next state: in one piece, static shapes, compiled when made."""

    def __init__(self, step: Step, state: State, name: str = "compiled", phases: int = 1) -> None:
        """Compiles, which takes seconds, for states like this one. Raises whatever the compiler does."""
        super().__init__(name, compile_step(step), phases)
        self._source = step
        with warnings.catch_warnings():
            # Lenia's FFT is called, not generated, and its spectrum alone is complex: nothing to warn of.
            warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
            # Twice, the second time from its own output, so that a call that recompiles does so here; and every phase.
            self.advance(self.pack(tuple(tensor.clone() for tensor in state)), max(2, phases))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        try:
            return super().advance(held, steps, first)
        except Exception as error:
            from torch._dynamo.exc import FailOnRecompileLimitHit  # not before it is needed: it imports the compiler

            if not isinstance(error, FailOnRecompileLimitHit):
                raise
            # A law whose own floats, constants to the compiler, are changed again and again. What is held is as it was.
            self.step = compile_step(self._source)
            return super().advance(held, steps, first)


def compile_step(step: Step) -> Step:
    """`step`, to be compiled at its first call, in one piece and for static shapes."""
    # Dynamo keeps its cache, and its limit on recompiles, per code object: each motor gets one of its own.
    assert isinstance(step, types.FunctionType)
    own = types.FunctionType(step.__code__.replace(), step.__globals__, step.__name__, step.__defaults__, step.__closure__)
    # With Inductor's own random numbers a module that draws some would come out differently than in a plain loop.
    compiled: Step = torch.compile(own, fullgraph=True, dynamic=False, options={"fallback_random": True})
    return compiled
