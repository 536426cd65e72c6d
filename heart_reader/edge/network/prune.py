"""Structured pruning: whole channels go, and what depended on them.

Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023,
https://arxiv.org/abs/2301.12900: `torch-pruning` follows a channel through residual sums,
concatenations and squeeze-excites, and tells which others must go with it.

Which channels go is decided here, by L1 norm, part by part. Ranked over a whole concatenation, as
torch-pruning's own pruners do, the branches with few taps have all the smallest norms: the group
would lose two branches of an inception block entirely, and so is left out as a whole
(``check_pruning_group``).
"""

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
import torch_pruning
from torch import Tensor, nn
from torch_pruning.dependency import Group

from heart_reader.bundle.single import Bundle
from heart_reader.errors import ConfigError
from heart_reader.models import FusionModel

TRACED_STEPS = 64  # of the signal by which the graph is traced: channels don't depend on it


def pruned(bundle: Bundle, ratio: float, round_to: int) -> Bundle:
    """The bundle with a share of the channels of every layer removed; not trained again.

    Args:
        bundle: stays as it is.
        ratio: of the channels that go, from 0 to below 1.
        round_to: what is left of a layer is a multiple of it, as vector units like it; layers
            narrower than twice that are exempt.

    Raises:
        ConfigError: a ratio outside of that range; a backbone that can't be pruned.
    """
    if not 0 <= ratio < 1:
        raise ConfigError(f"prune.ratio must lie from 0 to below 1, but is {ratio}")
    if not bundle.model.backbone.prunable:
        raise ConfigError(
            f"{bundle.config.backbone} can't be pruned: leave the stage 'prune' out of the export"
        )
    model = copy.deepcopy(bundle.model)
    n_encoded = 0 if bundle.encoder is None else bundle.encoder.n_encoded
    graph = _traced(model, n_encoded, bundle.spec.n_leads)
    importance = torch_pruning.importance.MagnitudeImportance(p=1)
    # All are measured before the first is pruned, as one changes the norms of the next.
    groups = list(graph.get_all_groups(ignored_layers=[model.head[-1]]))
    going = [_weakest(graph, group, importance(group), ratio, round_to) for group in groups]
    for group, channels in zip(groups, going, strict=True):
        if channels:
            root = group[0].dep
            graph.get_pruning_group(root.target.module, root.handler, channels).prune()
    return replace(bundle, model=model.eval())


def _traced(model: FusionModel, n_encoded: int, n_leads: int) -> torch_pruning.DependencyGraph:
    signal = torch.zeros(1, n_leads, TRACED_STEPS)
    branch = model.feature_branch
    if branch is None:
        return torch_pruning.DependencyGraph().build_dependency(model, (signal,))
    return torch_pruning.DependencyGraph().build_dependency(
        model,
        (signal, torch.zeros(1, n_encoded), torch.ones(1, dtype=torch.bool)),
        unwrapped_parameters=[(branch.missing, 0)],
    )


def _weakest(
    graph: torch_pruning.DependencyGraph,
    group: Group,
    importance: Tensor,
    ratio: float,
    round_to: int,
) -> list[int]:
    """The channels of a group's root that go."""
    going = []
    for part in _parts(graph, group, len(importance)):
        n_kept = kept_channels(len(part), ratio, round_to)
        order = torch.argsort(importance[list(part)], stable=True)
        going += [part[k] for k in order[: len(part) - n_kept].tolist()]
    return sorted(going)


def kept_channels(width: int, ratio: float, round_to: int) -> int:
    """How many of a layer's channels stay.

    >>> kept_channels(128, 0.5, 8), kept_channels(20, 0.5, 8), kept_channels(8, 0.5, 8)
    (64, 16, 4)
    """
    step = round_to if width >= 2 * round_to else 1
    return min(width, max(1, math.ceil(width * (1 - ratio) / step) * step))


def _parts(
    graph: torch_pruning.DependencyGraph, group: Group, width: int
) -> Iterable[Sequence[int]]:
    """The root's channels as the layers that make them share them: one part a concatenated branch.

    Every layer must keep some of its channels.
    """
    parts = {
        tuple(item.root_idxs)
        for item in group
        if isinstance(item.dep.target.module, nn.Conv2d | nn.Linear)
        and graph.is_out_channel_pruning_fn(item.dep.handler)
        and len(item.root_idxs) < width
    }
    covered = sorted(channel for part in parts for channel in part)
    return sorted(parts) if covered == list(range(width)) else [range(width)]
