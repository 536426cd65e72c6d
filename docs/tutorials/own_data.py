# %% [markdown]
# # Records and labels of your own
#
# From a folder of ECG files to a model with classes of your own. The folder is made here, of synthetic ECGs: 270 records
# of 12 leads at 500 Hz, as hospitals hand them out, with diagnoses as SNOMED codes in their headers.

# %%
import subprocess
import sys
from pathlib import Path


def run(module, *words):
    """Runs a command and prints the end of what it says."""
    done = subprocess.run([sys.executable, "-m", module, *words], capture_output=True, text=True)
    print(done.stderr[-600:] if done.returncode else "", done.stdout[-2200:], sep="")


run("benchmarks.own_records", "--data", "demo", "--folder", "own", "--records", "30")
print("".join(sorted(Path("own").glob("*.hea"))[0].read_text().splitlines(True)[:3]), "...")
print("".join(sorted(Path("own").glob("*.hea"))[0].read_text().splitlines(True)[-4:]))

# %% [markdown]
# ## A manifest
#
# is a table with a row a record. `prepare` makes one of a folder, with what the headers say, and beside it a `task.yaml` with
# a class for each code.

# %%
run("heart_reader.prepare", "--data", "own", "--write", "records.csv")
print(Path("records.csv").read_text()[:400])
print(Path("task.yaml").read_text())

# %% [markdown]
# Two things a header doesn't say. Whose an ECG is: two records of one patient in training and test would flatter every
# figure. And which of the classes you mean: here four, with names that can be read.

# %%
import pandas as pd

known = pd.read_csv("own/patients.csv")[["record_id", "patient_id"]]
table = pd.read_csv("records.csv").drop(columns="patient_id", errors="ignore")
table["record_id"] = [Path(name).stem for name in table["file"]]
table.merge(known, on="record_id").to_csv("records.csv", index=False)

Path("task.yaml").write_text("""\
name: rhythms
unlabelled: drop
classes:
  SR: {title: sinus rhythm, codes: [426783006]}
  AF: {title: atrial fibrillation, codes: [164889003]}
  SB: {title: sinus bradycardia, codes: [426177001]}
  RBBB: {title: right bundle branch block, codes: [713427006]}
""")
run("heart_reader.prepare", "--data", "records.csv")

# %% [markdown]
# Patients were dealt to ten folds, the classes evenly among them: 1 to 8 train, 9 chooses, 10 is kept for the last test.
# `records.folds.csv` keeps that; records that are added later get folds of their own, and nobody's changes.
#
# ## A model
#
# The rest is as with PTB-XL. Records are resampled once, to the 100 Hz that the model reads (`signal.fs` says otherwise).

# %%
run(
    "tuning.train", "--data", "records.csv", "--backbone", "xresnet1d18", "--training.epochs", "6",
    "--training.batch_size", "32", "--trials", "0", "--evaluation.n_resamples", "100",
    "--evaluation.n_sheets", "0",
)  # fmt: skip

# %% [markdown]
# Fold 9 has 27 records, one of them with atrial fibrillation: that tells little, whatever the figures say. The model knows its classes and its signal by itself, wherever it goes:

# %%
record = str(sorted(Path("own").glob("*.hea"))[0])
run("heart_reader.predict", "--model", "heart-reader-rhythms-xresnet1d18@candidate", record)

# %% [markdown]
# [Own data](../howto/own-data.md) has all columns, other leads and lengths, unknown labels, one model for fewer leads, and how
# to start from a pretrained model where records are few.
