"""What `prepare` prints of records: by class as wide as the terminal, by their owner's names."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from heart_reader.data.checked import CheckedTree, print_checked
from heart_reader.data.quality import DOUBTFUL, Quality
from heart_reader.tasks.task import Task

NAMES = ("NSR", "AF", "IAVB", "CLBBB", "CRBBB", "PVC", "SB", "SA", "STach")


def printed(n_classes: int, width: int) -> str:
    classes = NAMES[:n_classes]
    labels = np.tile(np.arange(n_classes) == 1, (20, 1)).astype(np.uint8)
    labels[:5] = 0
    metadata = pd.DataFrame(
        {
            "strat_fold": np.arange(20) % 10 + 1,
            "patient_id": np.arange(20),
            "record_id": [f"JS{k}" for k in range(20)],
        },
        index=pd.RangeIndex(1, 21, name="ecg_id"),
    )
    tree = CheckedTree(
        metadata=metadata,
        task=Task("hearts", classes, classes, classes, "keep"),
        labels=labels,
        absent_folds=(),
        digest="0" * 64,
        defects={3: "it is cut short"},
        warnings={},
        quality={7: Quality(DOUBTFUL, ("a lead is off",), {}, 1.0)},
    )
    file = io.StringIO()
    print_checked(tree, Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize(
    ("n_classes", "width", "by_column"), [(5, 80, True), (9, 80, False), (9, 120, True)]
)
def test_no_heading_is_cut(n_classes: int, width: int, by_column: bool):
    text = printed(n_classes, width)
    assert "…" not in text
    assert ("by class" not in text) == by_column
    for name in NAMES[:n_classes]:
        assert name in text
    (row,) = [line for line in text.splitlines() if line.startswith("│  all")]
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    by_class = ["15" if name == "AF" else "0" for name in NAMES[:n_classes]]
    assert cells == ["all", "20", *(by_class if by_column else []), "5", "1", "0"]


def test_a_record_has_its_owners_name():
    text = printed(5, 80)
    assert "left out: record JS2, it is cut short" in text
    assert "doubtful: record JS6, a lead is off" in text
