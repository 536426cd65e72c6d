"""Checkpoints as files: whole or not at all, and read back to the bit."""

import subprocess
import sys

import pytest
import torch

from heart_reader.errors import ModelError
from heart_reader.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    pack_optimizer,
    save_checkpoint,
    unpack_optimizer,
)


def checkpoint(value: float) -> Checkpoint:
    tensors = {
        "model.weight": torch.full((2, 3), value),
        "model.image": torch.rand(2, 3, 1, 5).to(memory_format=torch.channels_last),
        "rng.cpu": torch.get_rng_state(),
        "optimizer.0.step": torch.tensor(4.0),
    }
    return Checkpoint(tensors, {"epoch": 3, "history": [{"val/loss": 1 / 3}], "best_epoch": 2})


def test_what_is_written_is_read_to_the_bit(tmp_path):
    saved = checkpoint(0.1)
    save_checkpoint(tmp_path / "new" / "last.safetensors", saved)
    loaded = load_checkpoint(tmp_path / "new" / "last.safetensors")
    assert loaded.state == saved.state
    assert loaded.tensors.keys() == saved.tensors.keys()
    assert all(torch.equal(loaded.tensors[k], saved.tensors[k]) for k in saved.tensors)
    assert loaded.section("optimizer").keys() == {"0.step"}


def test_a_checkpoint_is_readable_by_safetensors_alone_and_holds_no_pickle(tmp_path):
    from safetensors.torch import load

    save_checkpoint(tmp_path / "last.safetensors", checkpoint(0.5))
    tensors = load((tmp_path / "last.safetensors").read_bytes())
    assert torch.equal(tensors["model.weight"], torch.full((2, 3), 0.5))


def test_a_process_killed_while_writing_leaves_the_old_checkpoint(tmp_path):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, checkpoint(1.0))
    # Dies where the new file is complete but not yet in its place, as kill -9 may do.
    code = (
        "import os, signal, sys, pathlib, torch\n"
        "from heart_reader.training import checkpoint as c\n"
        "os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)\n"
        "t = {'model.weight': torch.full((2, 3), 2.0)}\n"
        "c.save_checkpoint(pathlib.Path(sys.argv[1]), c.Checkpoint(t, {'epoch': 4}))\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2  # the old one and what the dead process left
    assert load_checkpoint(path).state["epoch"] == 3
    save_checkpoint(path, checkpoint(5.0))
    assert float(load_checkpoint(path).tensors["model.weight"][0, 0]) == 5.0


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = tmp_path / "last.safetensors"
    save_checkpoint(path, checkpoint(1.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModelError, match=r"last\.safetensors can't be read"):
        load_checkpoint(path)


def test_missing_foreign_and_other_formats_are_refused(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(ModelError, match="can't be read"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelError, match="can't be read"):
        load_checkpoint(tmp_path / "foreign.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "old.safetensors", {"state": '{"format": 0}'})
    with pytest.raises(ModelError, match="is not of format 1"):
        load_checkpoint(tmp_path / "old.safetensors")


def test_an_optimizer_goes_on_as_torchs_own_state_dict_would(tmp_path):
    def steps(weight, optimizer, n):
        for k in range(n):
            optimizer.zero_grad()
            ((weight - k) ** 2).sum().backward()
            optimizer.step()

    def fresh(value):
        weight = torch.nn.Parameter(value.clone())
        return weight, torch.optim.AdamW([weight], lr=0.1, weight_decay=0.01, fused=True)

    weight, optimizer = fresh(torch.linspace(-1, 1, 6))
    steps(weight, optimizer, 3)
    tensors, state = pack_optimizer(optimizer)
    save_checkpoint(tmp_path / "o.safetensors", Checkpoint(tensors, {"optimizer": state}))
    loaded = load_checkpoint(tmp_path / "o.safetensors")
    ours, torchs = fresh(weight.detach()), fresh(weight.detach())
    unpack_optimizer(ours[1], loaded.tensors, loaded.state["optimizer"])
    torchs[1].load_state_dict(optimizer.state_dict())
    steps(*ours, 3)
    steps(*torchs, 3)
    assert torch.equal(ours[0], torchs[0])
