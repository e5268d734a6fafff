"""The winograd plan on the CPU: a law as it is written, but its 3x3 convolutions by minimal filtering in C++."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import one_thread
from aetheria.core.precision import Precision
from aetheria.laws.layers import ChannelNorm, ConvBlock, Gated, joined
from aetheria.stepping.cpu.conv1x1 import PointwiseConv, PointwiseKernel, mixing_of
from aetheria.stepping.cpu.conv3x3 import LEAST_CHANNELS, Conv3x3, Conv3x3Kernel, KernelLayer, as_written, filtering_of
from aetheria.stepping.cpu.lstm_cell import gated
from aetheria.stepping.plan import Plan, State, make_call, make_step, settled

_HEAVY = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)  # where products are
Layers = tuple[nn.Module | Conv3x3 | PointwiseConv, ...]
# Of all products of a step; with fewer the compiled step is faster: benchmarks/results/shares.md.
LEAST_SHARE = 0.8


def why_not(law: nn.Module, precision: Precision) -> str:
    """Why the plan cannot step `law`, for people; empty if it can."""
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    wanted = f"3x3 convolutions between {LEAST_CHANNELS} channels or more"
    return "" if _filtered(law) else f"{type(law).__name__} has no {wanted}"


def yields(law: nn.Module, state: State) -> bool:
    """Whether the compiled step of `state`, cells `(B, C, H, W)` and memory, is faster."""
    if not any(isinstance(module, _HEAVY) for module in _left(law)):
        # All products are the kernels', and their weights tell enough: to count imports a good second's worth of torch.
        weights = {True: 0, False: 0}
        own = _filtered(law)
        for module in law.modules():
            if isinstance(module, _HEAVY):
                weights[id(module) in own] += module.get_parameter("weight").numel()
        if weights[True] >= LEAST_SHARE * sum(weights.values()):
            return False
    return share(law, state) < LEAST_SHARE


def _filtered(law: nn.Module) -> set[int]:
    """The ids of its 3x3 convolutions that the kernel takes."""
    return {id(layer.conv) for _, layers in _taken(law) for layer in layers if isinstance(layer, Conv3x3)}


def share(law: nn.Module, state: State) -> float:
    """Of the products in a step those in convolutions that the kernel takes, 0 to 1; 1 if they cannot be counted.

    They are counted on a copy of the law without values: nothing is computed.
    """
    own = _filtered(law)
    counted = {True: 0, False: 0}
    with torch.random.fork_rng(devices=[]):
        try:
            blank = copy.deepcopy(law).to("meta")
            for module, stand_in in zip(law.modules(), blank.modules(), strict=True):
                stand_in._forward_hooks.clear()
                stand_in._forward_pre_hooks.clear()
                if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                    stand_in.register_forward_hook(partial(_count, counted, id(module) in own))
            with torch.inference_mode():
                blank(*(tensor.to("meta") for tensor in state))
        except Exception:  # noqa: BLE001 - a module of somebody's own, and nothing depends on it but the choice of a plan
            return 1.0
    return counted[True] / max(1, sum(counted.values()))


def _count(counted: dict[bool, int], own: bool, module: nn.Module, given: tuple[Tensor, ...], after: Tensor) -> None:
    """Each weight multiplies every cell once: of the result, or where it is spread, of what is given."""
    cells = given[0] if isinstance(module, nn.modules.conv._ConvTransposeNd) else after
    weight = module.get_parameter("weight")
    counted[own] += cells.numel() * weight[0].numel()


class Winograd(Plan):
    """Runs the law's own code on a copy of its modules, in which convolutions, and what follows them, are our kernels'."""

    name = "winograd"

    def __init__(self, law: nn.Module, precision: Precision = "fp32") -> None:
        """
        Args:
            precision: "fp32"; or "bf16", for products of 16 bits.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law, self._precision, self._form = law, precision, _form(law)
        self._alone = not any(isinstance(module, _HEAVY) for module in _left(law))
        self._own: list[KernelLayer] = []
        self._copies: list[tuple[nn.Module, nn.Module]] = []
        self._step = make_step(make_call(self._copied(law), torch.device("cpu"), precision))

    def pack(self, state: State) -> State:
        return tuple(map(settled, state, state))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        self._refresh()
        with one_thread(self._alone):
            for _ in range(steps):
                held = self._step(*held)
        return held

    def stale(self) -> bool:
        return self._form != _form(self._law)

    def _refresh(self) -> None:
        """Takes over what was edited in the law: plain attributes, and the weights of convolutions; the rest is shared."""
        for module, stand_in in self._copies:
            vars(stand_in).update((name, value) for name, value in vars(module).items() if name not in ("_modules", "forward"))
        for one in self._own:
            one.refresh()

    def _copied(self, module: nn.Module) -> nn.Module:
        """A copy that shares parameters, buffers and hooks with `module`, and has the kernel in the place of convolutions."""
        stand_in = copy.copy(module)
        self._copies.append((module, stand_in))
        if (forward := self._forward(module)) is not None:
            stand_in.forward = forward
        else:
            vars(stand_in)["_modules"] = {name: child and self._copied(child) for name, child in module._modules.items()}
        return stand_in

    def _forward(self, module: nn.Module) -> Callable[..., Any] | None:
        if as_written(module, Gated):
            return gated
        if (layers := _layers(module)) is None:
            return None
        calls = [layer if isinstance(layer, nn.Module) else self._made(layer) for layer in layers]

        def forward(*parts: Tensor) -> Tensor:
            values = calls[0](*(parts if isinstance(calls[0], KernelLayer) else (joined(*parts),)))
            for call in calls[1:]:
                values = call(values)
            return values

        return forward

    def _made(self, layer: Conv3x3 | PointwiseConv) -> KernelLayer:
        own = Conv3x3Kernel(layer, self._precision) if isinstance(layer, Conv3x3) else PointwiseKernel(layer, self._precision)
        self._own.append(own)
        return own


def _taken(module: nn.Module) -> Iterator[tuple[nn.Module, Layers]]:
    """The modules whose place the kernel takes, and what it makes of each."""
    if (layers := _layers(module)) is not None:
        yield module, layers
    else:
        for child in module.children():
            yield from _taken(child)


def _left(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that are torch's to compute."""
    if (layers := _layers(module)) is None:
        yield module
        for child in module.children():
            yield from _left(child)
    else:
        for layer in layers:
            yield from layer.modules() if isinstance(layer, nn.Module) else ()


def _layers(module: nn.Module) -> Layers | None:
    """A convolution, or a sequence of layers with convolutions, as it is computed; None for what is left as it is."""
    if (alone := _own(module)) is not None:
        return (alone,)
    if not (as_written(module, ConvBlock) or as_written(module, nn.Sequential)):
        return None
    layers: list[nn.Module | Conv3x3 | PointwiseConv] = []
    for child in module.children():
        last = layers[-1] if layers else None
        fused = _followed(last, child) if isinstance(last, Conv3x3) else None
        if fused is not None:
            layers[-1] = fused
        elif not as_written(child, nn.Identity):
            layers.append(_own(child) or child)
    return None if all(isinstance(layer, nn.Module) for layer in layers) else tuple(layers)


def _own(module: nn.Module) -> Conv3x3 | PointwiseConv | None:
    return filtering_of(module) or mixing_of(module)


def _followed(by: Conv3x3, layer: nn.Module) -> Conv3x3 | None:
    """A convolution together with the layer after it, if the kernel can do that too."""
    if by.activation != "none":
        return None
    if as_written(layer, ChannelNorm) and by.norm is None:
        assert isinstance(layer, ChannelNorm)
        return Conv3x3(by.conv, by.boundary, layer) if len(layer.scale) == by.conv.out_channels else None
    if as_written(layer, nn.ReLU):
        return Conv3x3(by.conv, by.boundary, by.norm, "relu")
    if as_written(layer, nn.ELU) and getattr(layer, "alpha", None) == 1:
        return Conv3x3(by.conv, by.boundary, by.norm, "elu")
    return None


def _form(law: nn.Module) -> tuple[object, ...]:
    """All of a law that the plan was made for: its modules, and what the kernel makes of them."""
    plain = tuple(as_written(module, Gated) for module in law.modules())
    return (tuple(map(id, law.modules())), plain, tuple(_taken(law)))
