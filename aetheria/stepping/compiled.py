"""The compiled plan: the whole step as one function of `torch.compile`."""

import types
import warnings

import torch

from aetheria.stepping.plan import State, Step, Stepwise


class Compiled(Stepwise):
    """One compiled function from state to next state, without graph breaks, for static shapes."""

    def __init__(self, step: Step, state: State, name: str = "compiled", phases: int = 1) -> None:
        """Compiles for states like this one, which takes seconds. Raises the compiler's exceptions."""
        super().__init__(name, compile_step(step), phases)
        self._source = step
        with warnings.catch_warnings():
            # Only Lenia's spectrum is complex, and its FFT is a library call: the warning does not apply.
            warnings.filterwarnings("ignore", "Torchinductor does not support code generation for complex", UserWarning)
            # Two steps, the second from the first's output, so that a recompilation happens here; and every phase.
            self.advance(self.pack(tuple(tensor.clone() for tensor in state)), max(2, phases))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        try:
            return super().advance(held, steps, first)
        except Exception as error:
            from torch._dynamo.exc import FailOnRecompileLimitHit  # here, because it imports the compiler

            if not isinstance(error, FailOnRecompileLimitHit):
                raise
            # The law's plain floats, constants to the compiler, were edited many times. The packed state is unchanged.
            self.step = compile_step(self._source)
            return super().advance(held, steps, first)


def compile_step(step: Step) -> Step:
    """`step`, compiled at its first call, without graph breaks and for static shapes."""
    # Dynamo's cache and its limit of recompilations belong to a code object: each motor gets one of its own.
    assert isinstance(step, types.FunctionType)
    own = types.FunctionType(step.__code__.replace(), step.__globals__, step.__name__, step.__defaults__, step.__closure__)
    # With Inductor's own random numbers a module that draws some would come out differently than in a plain loop.
    compiled: Step = torch.compile(own, fullgraph=True, dynamic=False, options={"fallback_random": True})
    return compiled
