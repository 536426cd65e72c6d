"""AdamW on flat buffers, whose step reads every number from a tensor: a CUDA graph can hold it.

torch's own fused AdamW takes the betas as numbers, which a graph would repeat for ever; a
one-cycle schedule moves them. Here all parameters, gradients and moments lie in four buffers, so
that a step is a dozen kernels however many layers there are.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
https://arxiv.org/abs/1711.05101
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class FlatAdamW(torch.optim.AdamW):
    """The same steps as ``torch.optim.AdamW``, to rounding, and the same ``state_dict``.

    Parameters become views of one buffer; a parameter that has no gradient in a step is left as it
    is, and so must be in every later one.

    Args:
        groups: as of ``torch.optim.AdamW``; their rates keep their ratios, as schedules do.
        lr, weight_decay: of groups that don't say.
    """

    def __init__(
        self, groups: Sequence[Mapping[str, Any]], lr: float, weight_decay: float
    ) -> None:
        super().__init__([dict(group) for group in groups], lr=lr, weight_decay=weight_decay)
        parameters = list(self._parameters())
        size, like = sum(p.numel() for p in parameters), parameters[0].detach()
        self._values, self._means, self._squares = like.new_zeros(3, size)
        self._gradients: Tensor = like.new_zeros(size)
        self._steps, self._rate, self._beta1 = like.new_zeros(3)
        self._share = like.new_ones(size)  # of the rate that a parameter steps with
        self._decay = like.new_zeros(size)
        self._slots: dict[nn.Parameter, Tensor] = {}  # where a parameter's gradient goes
        self._lay_out()
        self.take_rates()

    def _parameters(self) -> Iterator[nn.Parameter]:
        for group in self.param_groups:
            yield from group["params"]

    def _lay_out(self) -> None:
        offset, first = 0, self.param_groups[0]["lr"]
        for group in self.param_groups:
            for parameter in group["params"]:
                place = slice(offset, offset + parameter.numel())
                self._decay[place] = group["weight_decay"]
                self._share[place] = group["lr"] / first
                value = _shaped(self._values[place], parameter)
                value.copy_(parameter.data)
                parameter.data = value
                self._slots[parameter] = _shaped(self._gradients[place], parameter)
                self.state[parameter] = {
                    "step": self._steps,
                    "exp_avg": _shaped(self._means[place], parameter),
                    "exp_avg_sq": _shaped(self._squares[place], parameter),
                }
                offset += parameter.numel()

    @property
    def tensors(self) -> list[Tensor]:
        """All that a step changes."""
        return [self._values, self._means, self._squares, self._steps]

    def take_rates(self) -> None:
        """Puts what a schedule set into the tensors that a step reads; before each step."""
        group = self.param_groups[0]
        self._rate.fill_(group["lr"])
        self._beta1.fill_(group["betas"][0])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step at the rates that `take_rates` took."""
        group = self.param_groups[0]
        beta2, eps, gradient = group["betas"][1], group["eps"], self._gather()
        self._steps += 1
        self._means.lerp_(gradient, 1 - self._beta1)
        self._squares.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        root = (self._squares / (1 - beta2**self._steps)).sqrt_().add_(eps)
        rate: Tensor = self._rate * self._share
        self._values.mul_(1 - rate * self._decay)
        self._values.sub_(rate * (self._means / (1 - self._beta1**self._steps)) / root)

    def _gather(self) -> Tensor:
        there = [(slot, p.grad) for p, slot in self._slots.items() if p.grad is not None]
        torch._foreach_copy_([slot for slot, _ in there], [gradient for _, gradient in there])
        return self._gradients

    def skip_without_gradient(self) -> None:
        """Takes parameters without a gradient out of all steps, as torch does step by step."""
        for (parameter, _), place in zip(self._slots.items(), self._places(), strict=True):
            if parameter.grad is None:
                self._share[place] = 0.0

    def _places(self) -> Iterator[slice]:
        offset = 0
        for parameter in self._slots:
            yield slice(offset, offset + parameter.numel())
            offset += parameter.numel()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copies a state into the buffers, on which graphs have been captured."""
        own = {p: dict(self.state[p]) for p in self._slots}
        super().load_state_dict(state_dict)
        for parameter, ours in own.items():
            theirs = self.state[parameter]  # empty of a parameter that never had a gradient
            for name, tensor in ours.items():
                if name in theirs:
                    tensor.copy_(theirs[name])
            self.state[parameter] = ours
        self.take_rates()


def _shaped(flat: Tensor, like: Tensor) -> Tensor:
    """A view of the parameter's shape; of a convolution's with the channels last in memory."""
    if like.ndim != 4 or like.shape[2] != 1:
        return flat.view(like.shape)
    n_out, n_in, height, width = like.shape
    return flat.view(n_out, height, width, n_in).permute(0, 3, 1, 2)
