# %% [markdown]
# # Compare, promote, join
#
# Two small networks are trained on synthetic ECGs, compared on the same records, promoted through the gate and joined into
# an ensemble.

# %%
import subprocess
import sys

import mlflow


def run(module, *words):
    """Runs an entry point and prints the end of what it says."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)
    print(done.stdout[-2500:], f"exit code {done.returncode}")
    return done


few = (
    "--evaluation.n_resamples",
    "100",
    "--evaluation.n_sheets",
    "0",
    "--data.demo_records",
    "400",
)
trained = run(
    "tuning.train", "--backbone", "se_resnet1d,xresnet1d18", "--training.epochs", "4",
    "--trials", "0", *few,
)  # fmt: skip

# %% [markdown]
# ## Compare
#
# A run's score is a point with an interval. With 40 records in fold 9 the intervals are wide: nobody can say which is better.

# %%
columns = ["tags.backbone", "metrics.val/macro_auc"]
columns += [f"metrics.val/macro_auc_{end}95" for end in ("low", "high")]
runs = mlflow.search_runs(
    experiment_names=["heart-reader"],
    filter_string="metrics.`val/macro_auc` > 0",
    order_by=["metrics.`val/macro_auc` DESC"],
)
print(runs[columns].round(3).to_string(index=False))

# %% [markdown]
# ## Promote
#
# The gate asks of a first champion that it reaches floors, and of every model that it says again, in a clean process, what was
# logged of it. The floors are out of the way here: four epochs on 400 ECGs prove nothing.

# %%
open_gate = ("--gate.min_macro_auc", "0", "--gate.min_class_auc", "0", "--gate.max_ece", "1")
promoted = run("registry.gate.promote", "--model", "all", *open_gate)

# %% [markdown]
# ## Join
#
# Weights are found on fold 9; the score is cross-fitted: each patient's by weights from the others.

# %%
joined = run("registry.ensemble.make", *few[:4])

# %%
client = mlflow.MlflowClient()
made = client.get_model_version_by_alias("heart-reader-ensemble", "candidate")
print(made.tags["members"], made.tags["weights"], sep="\n")

# %%
from IPython.display import Image

Image(filename=client.download_artifacts(made.run_id, "plots/weights.png"))

# %% [markdown]
# What is left, the ensemble's own gate, test reports, cards and files for a device, `sync` finds by itself:

# %%
plan = run("registry.sync.syncer", "--dry_run", "true")
