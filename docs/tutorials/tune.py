# %% [markdown]
# # Tune on one machine, and on many
#
# A search is a *study*: trials that share what they learned. Workers are all alike, and none is in charge: each asks the
# study's storage what to try next. So one may die, and another may join, at any time. Here two of them search for a small
# network on synthetic ECGs; the first one is killed in the middle.

# %%
import os
import signal
import subprocess
import sys
import time

worker = [sys.executable, "-m", "tuning.tune"]
options = {
    "--study": "first",
    "--backbone": "xresnet1d18",
    "--data.demo_records": "300",
    "--trials": "4",
    "--epochs": "2",
    "--startup_trials": "2",
    "--heartbeat": "1",
    "--grace": "3",
    "--space": "space.yaml",
}
words = [word for pair in options.items() for word in pair]

# %% [markdown]
# What is searched stands in a file: keys of the configuration, each with its legal values.

# %%
from pathlib import Path

Path("space.yaml").write_text("""\
common:
  training.learning_rate: {low: 0.001, high: 0.03, log: true}
  training.batch_size: {choices: [32, 64]}
  training.loss: {choices: [focal, bce]}
""")
first = subprocess.Popen([*worker, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

# %% [markdown]
# The first worker is killed as soon as its first trial is done and the second is on its way, as by a machine that loses
# its power.

# %%
for line in first.stderr:
    if line.startswith(b"trial 0"):
        break
print(line.decode())
time.sleep(2)
os.kill(first.pid, signal.SIGKILL)
print("ended by signal", -first.wait())

# %% [markdown]
# A second worker with the same words goes on. It notices that trial 1 gave no sign of life for three seconds (a minute
# by default), takes it up with the same values, and then does what is left.

# %%
time.sleep(4)
done = subprocess.run([*worker, *words], capture_output=True, text=True)
print(done.stderr[-700:], done.stdout[-900:], f"exit code {done.returncode}")

# %% [markdown]
# ## What a study leaves
#
# One run in MLflow with a run a trial below it, named by what it tried. In the UI they stand under *Views*, "Trials, the
# best first".

# %%
import mlflow

columns = ["tags.mlflow.runName", "tags.state", "metrics.value"]
runs = mlflow.search_runs(
    experiment_names=["heart-reader"],
    filter_string="tags.trial != ''",
    order_by=["metrics.value DESC"],
)
print(runs[columns].to_string(index=False))

# %% [markdown]
# A training takes the best of them by the study's name.

# %%
few = ["--training.epochs", "2", "--evaluation.n_resamples", "50", "--evaluation.n_sheets", "0"]
train = [sys.executable, "-m", "tuning.train", "--study", "first", "--backbone", "xresnet1d18"]
done = subprocess.run([*train, "--data.demo_records", "300", *few], capture_output=True, text=True)
print(done.stdout[-900:], f"exit code {done.returncode}")

# %% [markdown]
# ## Many machines
#
# SQLite is for one worker at a time. Many workers share a PostgreSQL database, which `make platform` brings along
# ([a platform for a team](../howto/team.md)); everything else stays as it is:
#
#     mlflow run . -e tune --env-manager local -P study=first -P trials=200 -P data=$HOME/ptbxl \
#         -P backbone=se_resnet1d -P storage=postgresql+psycopg2://studies@db/studies
#
# The same line is typed on each machine, or given to Slurm as an array (`sbatch --array=1-16 --requeue`) or to Kubernetes as a
# Job with `parallelism`. What the workers have in common is the storage, `MLFLOW_TRACKING_URI`, and the data under the same path.
# [Searching](../howto/tune.md) has the table of what to start where, and what happens when the database goes away.
