# %% [markdown]
# # A first training
#
# One small network on 300 synthetic ECGs, two minutes at most, tracked in MLflow. What it learns says nothing of real ECGs:
# it shows how a training goes and where everything is afterwards.

# %%
import subprocess
import sys

options = {
    "--data": "demo",
    "--data.demo_records": "300",
    "--backbone": "se_resnet1d",
    "--training.epochs": "4",
    "--evaluation.n_resamples": "100",
    "--evaluation.n_sheets": "1",
    "--trials": "0",
}
words = [word for pair in options.items() for word in pair]
done = subprocess.run(
    [sys.executable, "-m", "tuning.train", *words], capture_output=True, text=True
)
print(done.stderr[-900:], done.stdout)

# %% [markdown]
# The line before each epoch says what the one before it reached; the table at the end is of fold 9, with a 95% interval. The
# last lines are the run's page in the UI and the next command.
#
# ## What was logged

# %%
import mlflow

(run,) = mlflow.search_runs(experiment_names=["heart-reader"], output_format="list")
print(run.info.run_name, run.info.status)
for name in ("val/macro_auc", "val/macro_auc_low95", "val/macro_auc_high95", "val/f_max"):
    print(f"{name:22} {run.data.metrics[name]:.4f}")
print(len(run.data.params), "parameters, such as", run.data.params["training.learning_rate"])

# %% [markdown]
# Every value of the configuration is a parameter, and the whole of it lies in `config.yaml` among the run's artifacts,
# from which the training can be repeated.

# %%
client = mlflow.MlflowClient()
print(sorted(item.path for item in client.list_artifacts(run.info.run_id)))

# %%
from IPython.display import Image

Image(filename=client.download_artifacts(run.info.run_id, "plots/roc.png"))

# %% [markdown]
# ## The registered model
#
# It is `candidate` until a gate, or you, promote it. It loads where this repository isn't.

# %%
import numpy as np

model = mlflow.pyfunc.load_model("models:/heart-reader-se_resnet1d@candidate")
signal = np.random.default_rng(0).normal(0, 0.1, (1, 12, 1000)).astype(np.float32)
answer = model.predict({"signal": signal})
print(answer.iloc[0][["quality", "labels", "warning"]].to_string())

# %% [markdown]
# Noise is no ECG, so there are no labels; and a model that was trained on synthetic ECGs says so each time.
