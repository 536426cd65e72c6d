"""s4: blocks of diagonal state spaces, each a convolution as long as its input, both ways in time.

Gu et al., "On the Parameterization and Initialization of Diagonal State Space Models" (S4D),
NeurIPS 2022, https://arxiv.org/abs/2206.11893: of it the "S4D-Lin" start and the discretisation
by a zero-order hold. Stacked as for ECGs by Mehari and Strodthoff, "Towards quantitative
precision for ECG analysis: Leveraging state space models", 2023, https://arxiv.org/abs/2308.15291:
a linear encoder, then four bidirectional blocks of eight states, layer norms behind the sums.

Kernels are made for the length at hand: one model is trained on windows and reads whole records.

Notation used for tensor shapes: as in ``heart_reader.models.blocks``, and
    - m: modes, half the states; each stands for itself and its conjugate
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn

from heart_reader.models.blocks import Backbone
from heart_reader.models.rules import not_positive

SHORTEST_STEP, LONGEST_STEP = 1e-3, 1e-1  # of the start: 10 to 1000 samples of memory


@dataclass(frozen=True)
class S4Config:
    """Shape of an s4."""

    width: int
    """Channels, everywhere."""
    depth: int
    """Blocks."""
    state_size: int
    """States of each channel and direction; even."""
    dropout: float
    """Probability that a channel of a block is dropped in training, for all of a window."""

    def problems(self) -> list[str]:
        """The rules that types can't say."""
        found = not_positive(self)
        if self.state_size % 2:
            found.append(f"state_size must be even, but is {self.state_size}")
        if not 0 <= self.dropout < 1:
            found.append(f"dropout must be at least 0 and below 1, but is {self.dropout}")
        return found


class _Circular(torch.autograd.Function):
    """The first l steps of a circular convolution with a longer kernel, by FFT.

    Its gradients are convolutions too, of real signals: PyTorch's own take complex FFTs of the
    whole length, twice the memory, and a quarter more time (64 channels, 128 windows of 250
    steps, forward and backward: 175 ms against 138).

    Time is the dimension ``dim`` of x and the one before of the kernel: (n, l, c) and
    (n_fft, c), or (n, c, l) and (c, n_fft).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.dim = dim
        n_fft = kernel.shape[dim - 1]
        spectrum = torch.fft.rfft(x, n_fft, dim=dim) * torch.fft.rfft(kernel, dim=dim - 1)
        y: Tensor = torch.fft.irfft(spectrum, n_fft, dim=dim).narrow(dim, 0, x.shape[dim])
        y = y.contiguous()
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (x, kernel), dim = ctx.saved_tensors, ctx.dim
        n_fft, n_times = kernel.shape[dim - 1], x.shape[dim]
        upstream = torch.fft.rfft(grads[0], n_fft, dim=dim)
        seen = torch.fft.rfft(x, n_fft, dim=dim)
        gains = torch.fft.rfft(kernel, dim=dim - 1)
        grad_kernel = torch.fft.irfft((upstream * seen.conj()).sum(0), n_fft, dim=dim - 1)
        grad_x = torch.fft.irfft(upstream * gains.conj(), n_fft, dim=dim).narrow(dim, 0, n_times)
        return grad_x.contiguous(), grad_kernel, None


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """x (n, l, c) with a kernel (c, n_fft); a GPU's FFT wants time last in memory."""
    y: Tensor
    if x.is_cuda:
        by_channel = x.transpose(1, 2).contiguous()
        y = _Circular.apply(by_channel, kernel, 2)  # type: ignore[no-untyped-call]
        return y.transpose(1, 2)
    y = _Circular.apply(x, kernel.T, 1)  # type: ignore[no-untyped-call]
    return y


class StateSpace(nn.Module):
    """A diagonal state space for each channel and direction, run as a convolution by FFT.

    x' = A x + u, y = 2 Re(C x) + D u, where the two directions share A and the step.
    """

    def __init__(self, width: int, state_size: int) -> None:
        super().__init__()
        n_modes = state_size // 2
        low, high = math.log(SHORTEST_STEP), math.log(LONGEST_STEP)
        self.log_step = nn.Parameter(torch.empty(width, 1).uniform_(low, high))
        self.log_decay = nn.Parameter(torch.full((width, n_modes), math.log(0.5)))
        modes = [math.pi * i for i in range(n_modes)]
        self.frequency = nn.Parameter(torch.tensor([modes] * width))
        self.readout = nn.Parameter(torch.empty(2, width, n_modes, 2).normal_(0, 0.5**0.5))  # C
        self.through = nn.Parameter(torch.empty(width).normal_())  # D

    def recurrent(self) -> list[nn.Parameter]:
        """What the recurrence is made of: A and the step."""
        return [self.log_step, self.log_decay, self.frequency]

    def kernels(self, n_times: int) -> Tensor:
        """Responses (2, c, n_times): to the past from lag 0, to the future from lag 1.

        A lag is so many coarse steps and so many fine ones: two short lists of powers, whose
        products a matrix product sums over the modes, instead of an exponential for each.
        """
        poles = torch.complex(-self.log_decay.exp(), self.frequency)  # (c, m)
        rates = poles * self.log_step.exp()  # (c, m), per sample
        readout = torch.view_as_complex(self.readout.contiguous())
        scaled = readout * torch.expm1(rates) / poles  # (2, c, m)
        n_fine = math.isqrt(n_times - 1) + 1
        n_coarse = -(-n_times // n_fine)
        fine = _powers(rates, n_fine, 1)  # (c, m, n_fine)
        coarse = _powers(rates, n_coarse, n_fine)  # (c, m, n_coarse)
        left = torch.einsum("dcm,cmk->cdkm", scaled, coarse).flatten(1, 2)
        left = torch.cat([left.real, -left.imag], dim=2)  # (c, 2 n_coarse, 2 m)
        right = torch.cat([fine.real, fine.imag], dim=1)  # (c, 2 m, n_fine)
        both = 2 * (left @ right).view(len(rates), 2, -1)[..., :n_times]  # (c, 2, l)
        return both.transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, l, c) to the same shape; in float32 whatever the autocast, double where x is."""
        n_times = x.shape[1]
        n_fft = next_fast_len(2 * n_times, real=True)  # so that no end reaches around to the other
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.through.dtype)
            past, future = self.kernels(n_times)
            between = past.new_zeros(len(past), n_fft - 2 * n_times)
            circular = torch.cat([past, between, future.flip(1)], dim=1)  # (c, n_fft)
            return _convolved(x, circular) + self.through * x  # (n, l, c)


def _powers(rates: Tensor, n: int, stride: int) -> Tensor:
    """``exp(rates * stride * i)`` for the first n whole numbers: (c, m, n)."""
    steps = stride * torch.arange(n, device=rates.device)
    return torch.exp(rates[..., None] * steps)


class ChannelDropout(nn.Dropout):
    """Drops whole channels of (n, l, c): what a neighbouring step knows anyway is no loss."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * nn.functional.dropout(x.new_ones(x.shape[0], 1, x.shape[2]), self.p)


class S4Block(nn.Module):
    """A state space over time, a gated layer over channels; the sum with the input is normed."""

    def __init__(self, config: S4Config) -> None:
        super().__init__()
        self.over_time = StateSpace(config.width, config.state_size)
        self.over_channels = nn.Linear(config.width, 2 * config.width)
        self.norm = nn.LayerNorm(config.width)
        self.dropout = ChannelDropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(nn.functional.gelu(self.over_time(x)))  # (n, l, c)
        hidden = self.dropout(nn.functional.glu(self.over_channels(hidden)))
        out: Tensor = self.norm(x + hidden)
        return out


class S4(Backbone):
    """A linear encoder of the leads, then the blocks; as many steps leave as enter."""

    prunable = False  # the shortcuts tie the channels of all blocks, and layer norms their values

    def __init__(self, config: S4Config, n_leads: int) -> None:
        super().__init__()
        self.out_channels = config.width
        self.encoder = nn.Linear(n_leads, config.width)
        self.blocks = nn.Sequential(*(S4Block(config) for _ in range(config.depth)))

    def recurrent(self) -> list[nn.Parameter]:
        """A and the step of every block."""
        return [
            parameter
            for module in self.modules()
            if isinstance(module, StateSpace)
            for parameter in module.recurrent()
        ]

    def forward(self, x: Tensor) -> Tensor:
        by_time = x.squeeze(2).transpose(1, 2)  # (n, l, n_leads), contiguous
        out: Tensor = self.blocks(self.encoder(by_time))  # (n, l, c)
        return out.transpose(1, 2).unsqueeze(2)  # (n, c, 1, l)


def s4(config: S4Config, n_leads: int) -> S4:
    """The one variant: everything is in the config."""
    return S4(config, n_leads)
