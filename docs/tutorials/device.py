# %% [markdown]
# # A model for a device
#
# A trained network loses half of its channels, is trained on for a little, becomes files of 8 bits, and answers without
# PyTorch. All on synthetic ECGs; the stages and what they print are those of a real export.

# %%
import subprocess
import sys
from pathlib import Path


def run(module, *words):
    """Runs a command and prints the end of what it says."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)
    print(done.stderr[-1800:], done.stdout[-3500:], f"exit code {done.returncode}", sep="\n")


run(
    "tuning.train", "--backbone", "xresnet1d18", "--data.demo_records", "400", "--trials", "0",
    "--training.epochs", "5", "--evaluation.n_resamples", "100", "--evaluation.n_sheets", "0",
)  # fmt: skip

# %% [markdown]
# ## The stages
#
# TFLite takes a minute more, and is left out here (`stages=all` makes it). After pruning the network is trained
# on with a tenth of its learning rate.

# %%
run(
    "registry.export", "--model", "heart-reader-xresnet1d18@candidate",
    "--stages", "prune,finetune,quantize", "--finetune.epochs", "4", "--measure.n_resamples", "100",
)  # fmt: skip

# %% [markdown]
# Each row is a stage: what it weighs, how long an answer takes on one thread, and what it loses of the original's macro
# AUC, with a paired interval. A file that loses too much, and not by chance, is left out and says why.

# %%
import mlflow
from IPython.display import Image

client = mlflow.MlflowClient()
made = client.get_model_version_by_alias("heart-reader-edge", "candidate")
Image(filename=client.download_artifacts(made.run_id, "stages.png"))

# %% [markdown]
# ## What a device gets
#
# A folder with the files, their labels and thresholds, the contract of the input, and an example that needs numpy and an
# interpreter alone.

# %%
folder = Path(mlflow.artifacts.download_artifacts("models:/heart-reader-edge@candidate"))
for path in sorted(folder.iterdir()):
    print(f"{path.name:36} {path.stat().st_size / 1000:8.1f} kB")

# %%
file = next(folder.glob("*int8.onnx"), None) or next(folder.glob("*.onnx"))
run("heart_reader.edge.run", str(file), "examples/made_normal.csv")

# %% [markdown]
# On the board itself, `python benchmarks/edge.py device` measures the files without PyTorch. [Devices](../howto/device.md) has
# the settings, and what the files of real models weigh and lose.
