"""Training that starts from a trained model: what is taken over, how fast each layer learns."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from heart_reader.errors import ModelError
from heart_reader.models import FusionModel

RECURRENT_RATE = 1e-3


def take_over(
    model: FusionModel, source: FusionModel, ours: Sequence[str], theirs: Sequence[str]
) -> list[str]:
    """Copies a trained model's weights into a fresh one; of the last layer those of classes that
    both have.

    Args:
        model: fresh; it is changed.
        source: of the same architecture, features and leads.
        ours, theirs: their classes.

    Returns:
        The classes that were taken over.

    Raises:
        ModelError: a weight that doesn't fit, such as of a pruned model.
    """
    own, last = model.state_dict(), f"head.{len(model.head) - 1}"
    rows = [theirs.index(name) if name in theirs else -1 for name in ours]
    for key, value in source.state_dict().items():
        if key.startswith(f"{last}."):
            for row, at in enumerate(rows):
                if at >= 0:
                    own[key][row] = value[at]
        elif key not in own or own[key].shape != value.shape:
            raise ModelError(f"training can't start from a model whose {key} is {value.shape}")
        else:
            own[key] = value.clone()
    model.load_state_dict(own)
    return [name for name, at in zip(ours, rows, strict=True) if at >= 0]


def layers(model: FusionModel) -> list[list[nn.Parameter]]:
    """Parameters from the head down to the stem, layer by layer; each is there once.

    A layer of the backbone is one of the modules it holds, or of the lists in it.
    """
    above = [model.head, model.projection, *filter(None, [model.feature_branch])]
    below: list[nn.Module] = []
    for child in model.backbone.children():
        is_list = isinstance(child, nn.ModuleList | nn.Sequential)
        below += list(child.children()) if is_list else [child]
    found = [[p for p in above[0].parameters()]]
    found.append([p for each in above[1:] for p in each.parameters()])
    found += [list(each.parameters()) for each in reversed(below)]
    seen = {id(p) for group in found for p in group}
    found[-1] += [p for p in model.parameters() if id(p) not in seen]
    return [group for group in found if group]


def parameter_groups(model: FusionModel, rate: float, decay: float) -> list[dict[str, Any]]:
    """Groups of an optimizer whose rate falls by ``decay`` from each layer to the one below.

    Howard and Ruder, "Universal Language Model Fine-tuning", 2018, section 3.2 (discriminative
    fine-tuning). https://arxiv.org/abs/1801.06146

    What belongs to a recurrence has groups of its own, as in the code of Gu et al.
    (`models/s4.py`): a rate of at most `RECURRENT_RATE`, and no weight decay.
    """
    found = layers(model) if decay != 1 else [list(model.parameters())]
    groups = []
    for depth, group in enumerate(found):
        groups += _apart(group, rate * decay**depth, model.backbone.recurrent())
    return groups


def _apart(
    parameters: list[nn.Parameter], rate: float, recurrent: list[nn.Parameter]
) -> list[dict[str, Any]]:
    """A group of an optimizer, and one beside it for those that belong to a recurrence."""
    slow = {id(p) for p in recurrent}
    inside = [p for p in parameters if id(p) in slow]
    outside = [p for p in parameters if id(p) not in slow]
    groups: list[dict[str, Any]] = [{"params": outside, "lr": rate}] if outside else []
    if inside:
        groups.append({"params": inside, "lr": min(rate, RECURRENT_RATE), "weight_decay": 0.0})
    return groups


def freeze(model: FusionModel, frozen: bool) -> None:
    """Holds everything but the head still, batch norms included, or lets it go."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or name.startswith("head."))
    if frozen:
        for each in (model.backbone, model.pool, model.projection, model.feature_branch):
            if each is not None:
                each.eval()
