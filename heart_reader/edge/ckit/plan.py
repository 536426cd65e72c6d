"""Where each tensor lies in the arena: memory that several tensors take in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from heart_reader.edge.ckit.graph import Tensor
from heart_reader.edge.ckit.program import Step

ALIGNMENT = 16  # bytes


@dataclass
class Block:
    """Memory that tensors share since each takes the last one's place.

    Attributes:
        tensors: their numbers.
        n_bytes: of the largest.
        first, last: steps from whose beginning to whose end it is in use.
        offset: in the arena.
    """

    tensors: list[int]
    n_bytes: int
    first: int
    last: int
    offset: int = -1


@dataclass(frozen=True)
class Plan:
    """The arena.

    Attributes:
        offsets: in bytes, by tensor.
        n_bytes: of the whole.
        blocks: for those who want to see it.
    """

    offsets: Mapping[int, int]
    n_bytes: int
    blocks: Sequence[Block] = field(default=())


def planned(
    steps: Sequence[Step], tensors: Mapping[int, Tensor], given: Sequence[int], kept: Sequence[int]
) -> Plan:
    """The largest blocks first, each as low as it fits beside those of its time.

    Args:
        steps: in order.
        tensors: by number.
        given: tensors that are in the arena before the first step.
        kept: tensors that are still asked for behind the last step.
    """
    blocks = _blocks(steps, tensors, given, kept)
    placed: list[Block] = []
    for block in sorted(blocks, key=lambda each: (-each.n_bytes, each.first)):
        block.offset = _lowest(block, placed)
        placed.append(block)
    offsets = {number: block.offset for block in blocks for number in block.tensors}
    n_bytes = max((block.offset + _aligned(block.n_bytes) for block in blocks), default=0)
    return Plan(offsets, n_bytes, tuple(blocks))


def _blocks(
    steps: Sequence[Step], tensors: Mapping[int, Tensor], given: Sequence[int], kept: Sequence[int]
) -> list[Block]:
    last = {number: position for position, step in enumerate(steps) for number in step.operands}
    last |= dict.fromkeys(kept, len(steps))
    blocks = [Block([n], tensors[n].n_bytes, -1, last.get(n, -1)) for n in given]
    of = {block.tensors[0]: block for block in blocks}
    for position, step in enumerate(steps):
        end = last.get(step.out, len(steps))  # what nobody reads is the answer
        block = next((of[n] for n in step.in_place if _free(step, n, of, position)), None)
        if block is None:
            block = Block([], 0, position, position)
            blocks.append(block)
        block.tensors.append(step.out)
        block.n_bytes = max(block.n_bytes, tensors[step.out].n_bytes)
        block.last = max(block.last, end)
        of[step.out] = block
    return blocks


def _free(step: Step, number: int, of: Mapping[int, Block], position: int) -> bool:
    """Whether an operand's memory may be taken: nobody else needs it, or nothing is written."""
    return number in of and (not step.call or of[number].last <= position)


def _lowest(block: Block, placed: Sequence[Block]) -> int:
    beside = [b for b in placed if b.first <= block.last and block.first <= b.last]
    offset = 0
    for other in sorted(beside, key=lambda each: each.offset):
        if offset + block.n_bytes <= other.offset:
            break
        offset = max(offset, _aligned(other.offset + other.n_bytes))
    return offset


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT
