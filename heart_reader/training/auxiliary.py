"""A second head that learns another task beside the main one, and is dropped when training ends.

Then the signal's vector has to tell more than the main task asks for.

Caruana, "Multitask Learning", Machine Learning 28, 1997. https://doi.org/10.1023/A:1007379606734
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heart_reader.data.dataset import DeviceRecords, Records, as_targets
from heart_reader.data.labelled import read_labelled, task_of_tree
from heart_reader.data.manifest import is_manifest
from heart_reader.errors import ConfigError
from heart_reader.tasks.ptbxl import TaskConfig, statement_likelihoods
from heart_reader.training.config import TrainingConfig
from heart_reader.training.losses import Loss, make_loss

KEY = "training.auxiliary"


class Auxiliary(nn.Module):
    """One linear layer on the signal's vector, and what its loss adds to that of the main task.

    The features have no part in it: what it asks for has to come from the signal.

    Args:
        embedding_size: length of the signal's vector.
        n_classes: of the other task.
        loss: of logits and targets, which leaves out targets that are NaN.
        weight: of the loss beside the main one.
        generator: of the first weights. It isn't the global one, so that the model begins, and
            its units are dropped, as without a second head.
    """

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        loss: Loss,
        weight: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.loss, self.loss_weight = loss, weight
        # First probabilities close to 0.5, as of the main head.
        start = torch.randn((n_classes, embedding_size), generator=generator) * 0.01
        self.weight, self.bias = nn.Parameter(start), nn.Parameter(torch.zeros(n_classes))

    def forward(self, vector: Tensor, y_true: Tensor) -> Tensor:
        """What is added to the main loss.

        Args:
            vector: of the signal, (n, embedding_size), in any precision.
            y_true: (n, n_classes), 0 to 1, NaN where unknown.
        """
        logits = nn.functional.linear(vector.float(), self.weight, self.bias)  # (n, n_classes)
        return self.loss_weight * self.loss(logits, y_true)


def with_auxiliary(
    train: DeviceRecords,
    labels: NDArray[np.float32],
    config: TrainingConfig,
    embedding_size: int,
    seed: int,
) -> tuple[DeviceRecords, Auxiliary]:
    """Training records with another task's targets behind their own, and the head that learns it.

    One tensor holds both, so that a batch takes and mixes them alike.

    Args:
        train: on the device.
        labels: (n_train, n_classes), 0 to 1, NaN where unknown.
        config: the recipe.
        embedding_size: length of the signal's vector.
        seed: of the head's weights.
    """
    others = torch.as_tensor(labels, device=train.y_true.device)
    loss = make_loss(
        config.loss,
        config.focal_alpha,
        config.focal_gamma,
        config.label_smoothing,
        all_known=not bool(torch.isnan(others).any()),
    )
    generator = torch.Generator().manual_seed(seed)
    head = Auxiliary(embedding_size, labels.shape[1], loss, config.auxiliary_weight, generator)
    y_true = torch.cat([train.y_true, others], dim=1)
    return replace(train, y_true=y_true), head.to(others.device)


def auxiliary_labels(
    records: Records, root: Path, name: str, min_likelihood: float, soft: bool
) -> NDArray[np.float32]:
    """Another task's labels of the same records, (n_records, n_classes), NaN where unknown.

    What the main task dropped stays dropped; what the other one would drop is negative for all.

    Args:
        records: of the main task.
        root: the tree or manifest that they are from.
        name: of the other task, as ``task`` takes it.
        min_likelihood: in percent, of diagnostic statements; for hard labels.
        soft: the likelihood of each statement, 0 to 1, instead of 0 or 1.

    Raises:
        ConfigError: the data don't have such labels.
    """
    asked = TaskConfig(name, "keep")
    if soft and is_manifest(str(root)):
        raise ConfigError(
            f"{KEY}_likelihoods is for a tree of PTB-XL; the manifest {root} has labels without"
        )
    try:
        if soft:
            own = task_of_tree(root, asked)
            return statement_likelihoods(records.metadata, own.task, own.class_of)
        folds = tuple(map(int, np.unique(records.fold)))
        found = read_labelled(root, asked, min_likelihood, folds)
    except ConfigError as error:
        raise ConfigError(f"{KEY}: {error}") from error
    # A long record's windows share its labels.
    return as_targets(found.y_true[found.metadata.index.get_indexer(records.metadata.index)])
