"""The plain loop: the implementation that most people write, against which every plan is measured.

Complex64 state `(B, H, W, d)`, split into real and imaginary parts, concatenated and permuted to NCHW at each step, library
convolutions with circular padding, normalised at each step, `empty_cache` and `synchronize` every 50 steps. It takes the
weights of one of our laws, and computes the same, which the tests check.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aetheria.laws import DEEP_QCA, MLP, ConvLSTM, GrowingNCA, Lenia, Life, UNet
from aetheria.laws.layers import Convolution
from aetheria.laws.updates import QuantumLaw

State = tuple[Tensor, ...]
Step = Callable[..., State]
Wrap = Callable[[Step], Step]


def plain_state(law: nn.Module, cells: Tensor, memory: State) -> State:
    """Our state in the layout of the plain loop."""
    if isinstance(law, QuantumLaw):
        real, imag = cells.chunk(2, 1)
        return (torch.complex(real, imag).permute(0, 2, 3, 1).contiguous(), *memory)
    return (cells.contiguous(),)


def cells_of(state: State) -> Tensor:
    """The plain loop's state as our cells `(B, C, H, W)`."""
    psi = state[0]
    return torch.cat((psi.real, psi.imag), -1).permute(0, 3, 1, 2) if psi.is_complex() else psi


def plain_step(law: nn.Module, wrap: Wrap = lambda model: model) -> Step:
    """One step of the plain loop with the weights of `law`.

    Args:
        wrap: applied to the model, as `torch.compile` is: to the network of a law on amplitudes, whose update stays in the
            loop, and to the whole step of the others.
    """
    for kind, make in _MAKERS.items():
        if isinstance(law, kind):
            return _quantum(law, wrap(make(law))) if isinstance(law, QuantumLaw) else wrap(make(law))
    raise TypeError(f"no plain loop for {type(law).__name__}")


def plain_loop(step: Step, state: State, steps: int) -> State:
    """Takes `steps` steps."""
    for i in range(steps):
        state = step(*state)
        if i % 50 == 49 and torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.synchronize()
    return state


def _quantum(law: QuantumLaw, net: Step) -> Step:
    def step(psi: Tensor, *memory: Tensor) -> State:
        x = torch.cat([psi.real, psi.imag], dim=-1).permute(0, 3, 1, 2)
        delta, *after = net(x, *memory)
        delta = delta.permute(0, 2, 3, 1)
        psi = psi + torch.complex(delta[..., : law.d_state], delta[..., law.d_state :]) - law.decay * psi
        norm = psi.abs().square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        return (psi / norm.clamp_min(1e-15), *after)

    return step


class _Circular(nn.Module):
    """A convolution with circular padding and the weights of another, NCHW."""

    def __init__(self, like: Convolution) -> None:
        super().__init__()
        size = like.kernel_size[0]
        bias = like.bias is not None
        self.conv = nn.Conv2d(like.in_channels, like.out_channels, size, padding=size // 2, padding_mode="circular", bias=bias)
        self.conv.load_state_dict({key: value.contiguous() for key, value in like.state_dict().items()})

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def _mlp(law: MLP) -> Step:
    first, hidden, out = map(_Circular, (law.perceive, law.hidden, law.out))

    def net(x: Tensor) -> State:
        h = F.elu(law.norms[0](first(x)))
        return (out(F.elu(law.norms[1](hidden(h)))),)

    return net


def _deep_qca(law: DEEP_QCA) -> Step:
    first, hidden, out = map(_Circular, (law.perceive, law.hidden, law.out))
    shifts = [(y, x) for y in (1, 0, -1) for x in (1, 0, -1) if (y, x) != (0, 0)]

    def net(x: Tensor) -> State:
        around = [torch.roll(x, shift, dims=(2, 3)) for shift in shifts]
        x = torch.stack(around).sum(0) if law.summed else torch.cat(around, 1)
        h = F.elu(law.norms[0](first(x)))
        return (out(F.elu(law.norms[1](hidden(h)))),)

    return net


def _unet(law: UNet) -> Step:
    def block(layers: nn.Module) -> nn.Sequential:
        assert isinstance(layers, nn.Sequential)
        return nn.Sequential(*(_Circular(part) if isinstance(part, nn.Conv2d) else part for part in layers))

    down1, down2, down3, bottom, join2, join1 = map(
        block, (law.down1, law.down2, law.down3, law.bottleneck, law.join2, law.join1)
    )
    gates = _Circular(law.gates) if isinstance(law, ConvLSTM) else None

    def net(x: Tensor, *memory: Tensor) -> State:
        full = down1(x)
        half = down2(F.max_pool2d(full, 2))
        low = down3(F.max_pool2d(half, 2))
        after: State = ()
        if gates is not None:
            hidden, cell = memory
            forget, accept, output, candidate = gates(torch.cat((low, hidden), 1)).chunk(4, 1)
            cell = torch.sigmoid(forget) * cell + torch.sigmoid(accept) * torch.tanh(candidate)
            low = torch.sigmoid(output) * torch.tanh(cell)
            after = (low, cell)
        half = join2(torch.cat((law.up2(bottom(low)), half), 1))
        return (law.out(join1(torch.cat((law.up1(half), full), 1))), *after)

    return net


def _growing(law: GrowingNCA) -> Step:
    identity = torch.zeros(3, 3, device=law.hidden.weight.device)
    identity[1, 1] = 1
    sobel = law.sobel[0, 0]
    kernel = torch.stack((identity, sobel, sobel.T))[:, None].repeat(law.channels, 1, 1, 1)
    # The filters of one channel lie together here, and by filter in ours.
    order = torch.arange(3 * law.channels).view(3, -1).T.flatten()
    first = law.hidden.weight.detach()[:, order].contiguous()

    def alive(x: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(x[:, 3:4], (1, 1, 1, 1), mode="circular"), 3, stride=1) > 0.1

    def step(x: Tensor) -> State:
        before = alive(x)
        y = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), kernel, groups=law.channels)
        dx = F.conv2d(F.relu(F.conv2d(y, first, law.hidden.bias)), law.update.weight.contiguous(), law.update.bias)
        x = x + dx * (torch.rand(x[:, :1].shape, device=x.device) <= law.fire_rate).float()
        return (x * (before & alive(x)).float(),)

    return step


def _life(law: Life) -> Step:
    rule = law.bit_rule()
    assert rule is not None
    kernel = torch.ones(1, 1, 3, 3, device=next(law.buffers()).device)
    kernel[0, 0, 1, 1] = 0
    born, stay = ([n for n in range(9) if rule.table[first + n]] for first in (0, 9))

    def step(x: Tensor) -> State:
        count = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), kernel)
        birth = sum((count == n for n in born), torch.zeros_like(x, dtype=torch.bool))
        survival = sum((count == n for n in stay), torch.zeros_like(x, dtype=torch.bool))
        return (torch.where(x > 0.5, survival, birth).float(),)

    return step


def _lenia(law: Lenia) -> Step:
    centre, width = law.m, law.s
    spectra: dict[torch.Size, Tensor] = {}

    def spectrum(x: Tensor) -> Tensor:
        kernel = torch.zeros(x.shape[-2:], device=x.device)
        kernel[: 2 * law.R + 1, : 2 * law.R + 1] = law.kernel()
        return torch.fft.fft2(kernel.roll((-law.R, -law.R), (0, 1)))

    def step(x: Tensor) -> State:
        if x.shape not in spectra:
            spectra[x.shape] = spectrum(x)
        u = torch.fft.ifft2(spectra[x.shape] * torch.fft.fft2(x)).real
        if law.growth == "polynomial":
            growth = 2 * (1 - (u - centre) ** 2 / (9 * width**2)).clamp(min=0) ** 4 - 1
        else:
            growth = 2 * torch.exp(-((u - centre) ** 2) / (2 * width**2)) - 1
        return (torch.clamp(x + growth / law.T, 0, 1),)

    return step


_MAKERS: dict[type[nn.Module], Callable[..., Step]] = {
    MLP: _mlp,
    DEEP_QCA: _deep_qca,
    UNet: _unet,
    GrowingNCA: _growing,
    Life: _life,
    Lenia: _lenia,
}
