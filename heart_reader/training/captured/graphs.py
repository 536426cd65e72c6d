"""Steps replayed from CUDA graphs: on a GPU these networks wait for launches, not for arithmetic.

A graph holds a whole step: records gathered by index and augmented, forward, backward, clipping
and the optimizer's update. Only what differs from step to step is put into tensors before it:
which records, the rates. PyTorch's notes on it: https://docs.pytorch.org/docs/stable/notes/cuda.html
"""

import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from heart_reader.training.captured.flat_adamw import FlatAdamW

WARM_UP = 3  # runs before a capture, in which cuDNN chooses its kernels and cuFFT plans
N_TRIED = 4  # kernels of each convolution, in the order of cuDNN's own guess
Body = Callable[[], None]
Capture = Callable[[Body], Body]


class CudaCapture:
    """Captures a body of work on a GPU; calling what it gives replays it.

    Args:
        generator: of the GPU, whose random numbers differ from replay to replay.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.pool = torch.cuda.graph_pool_handle()  # graphs run one after the other and share it

    def __call__(self, body: Body) -> Body:
        """Runs the body some times, and holds it."""
        here = torch.cuda.current_stream()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with _tried_kernels():
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(WARM_UP):
                    body()
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self.generator)
            with torch.cuda.graph(graph, pool=self.pool):
                body()
        return graph.replay


@contextmanager
def _tried_kernels() -> Iterator[None]:
    """Lets cuDNN choose each kernel by trying some; the shapes of a graph never change."""
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.benchmark_limit
    cudnn.benchmark, cudnn.benchmark_limit = True, N_TRIED
    try:
        yield
    finally:
        cudnn.benchmark, cudnn.benchmark_limit = before


class GraphSteps:
    """Training steps and the pass over the validation records, each captured when it first comes.

    Args:
        model: that learns.
        optimizer: its own.
        generator: that ``learn`` draws from, beside the device's own.
        learn: a step on the training records of some rows; gives the loss.
        score: logits of all validation records.
        capture: makes a body of work repeatable; a test may simply give it back.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: FlatAdamW,
        generator: torch.Generator,
        learn: Callable[[Tensor], Tensor],
        score: Callable[[], Tensor],
        capture: Capture,
    ) -> None:
        self.model, self.optimizer, self.generator = model, optimizer, generator
        self._learn, self._score, self._capture = learn, score, capture
        self._steps: dict[Hashable, tuple[Tensor, Tensor, Body] | None] = {}
        self._pass: tuple[Tensor, Body] | None = None
        self._scores_eagerly = False

    def learn(self, rows: Tensor, recipe: Hashable) -> Tensor:
        """One step; gives the loss, which the next step overwrites.

        Args:
            rows: of the training records, on the device.
            recipe: what else the step depends on; another one is another graph.
        """
        key = (len(rows), recipe)
        self.optimizer.take_rates()
        if key not in self._steps:
            self._steps[key] = self._hold_step(rows)
        held = self._steps[key]
        if held is None:
            return self._learn(rows)
        static, loss, replay = held
        static.copy_(rows)
        replay()
        return loss

    def _hold_step(self, rows: Tensor) -> tuple[Tensor, Tensor, Body] | None:
        static, loss = rows.clone(), torch.zeros((), device=rows.device)

        def body() -> None:
            loss.copy_(self._learn(static))

        with self._undone():
            replay = self._held(body, f"a training step of {len(rows)} records")
            self.optimizer.skip_without_gradient()
        return None if replay is None else (static, loss, replay)

    def score(self) -> Tensor:
        """Logits of the validation records, which the next pass overwrites."""
        if self._pass is None and not self._scores_eagerly:
            logits = self._score()

            def body() -> None:
                logits.copy_(self._score())

            replay = self._held(body, "the pass over the validation records")
            self._pass = None if replay is None else (logits, replay)
            self._scores_eagerly = replay is None
        if self._pass is None:
            return self._score()
        logits, replay = self._pass
        replay()
        return logits

    def _held(self, body: Body, what: str) -> Body | None:
        try:
            return self._capture(body)
        except (
            RuntimeError
        ) as error:  # what a capture can't hold, and a device without room for it
            reason = str(error).splitlines()[0]
            print(f"note: {what} isn't captured as a CUDA graph: {reason}", file=sys.stderr)
            return None

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Takes back what the runs before a capture do to weights, moments and random numbers."""
        tensors = [*self.optimizer.tensors, *self.model.buffers()]
        before = [tensor.clone() for tensor in tensors]
        generators = [self.generator, _default_generator(self.generator.device)]
        states = [generator.get_state() for generator in generators]
        try:
            yield
        finally:
            with torch.no_grad():
                for tensor, value in zip(tensors, before, strict=True):
                    tensor.copy_(value)
            for generator, state in zip(generators, states, strict=True):
                generator.set_state(state)


def _default_generator(device: torch.device) -> torch.Generator:
    if device.type == "cpu":
        return torch.default_generator
    return torch.cuda.default_generators[device.index or 0]


def why_eager(cuda_graphs: bool, dtype: torch.dtype, freeze_epochs: int) -> str | None:
    """Why the steps of a training on a GPU aren't captured, or ``None`` where they are.

    Args:
        cuda_graphs: whether the user wants them.
        dtype: that it runs in.
        freeze_epochs: in which the head alone learns.
    """
    if not cuda_graphs:
        return "training.cuda_graphs is false"
    if dtype == torch.float16:
        return "fp16 decides after each step whether to scale its loss anew"
    if freeze_epochs:
        return "training.freeze_epochs changes which parameters learn"
    return None


def capture_unless(reason: str | None, generator: torch.Generator) -> Capture | None:
    """Captures for a training on the GPU of its generator; none, and a note, where a reason speaks
    against it."""
    if reason is None:
        return CudaCapture(generator)
    print(f"note: steps aren't captured as CUDA graphs: {reason}", file=sys.stderr)
    return None
