# %% [markdown]
# # Read ECG files
#
# A file becomes a `Recording`, a recording becomes what a model reads, and the model says what it finds. Everything here
# runs on the samples of `examples/`: five records of PTB-XL (CC BY 4.0) and two synthetic ones.

# %%
from pathlib import Path

from heart_reader.data.formats import read_recording

recording = read_recording("examples/inferior_mi")
print(recording.kind, recording.fs, "Hz,", recording.seconds, "s, age", recording.age)
print(recording.leads)

# %% [markdown]
# The kind of a file is told by its content. A table of numbers is read as well; what had to be assumed stands in the notes.

# %%
table = read_recording("examples/made_normal.csv")
print(table.kind, table.signal.shape, table.notes)

# %% [markdown]
# ## Ask a model
#
# `pretrained/ensemble` is a folder with all that is needed to predict.

# %%
import numpy as np

from heart_reader.bundle.kinds import open_bundle
from heart_reader.data.recordings.model_input import to_model_input

bundle = open_bundle(Path("pretrained/ensemble"))
names = ["normal", "inferior_mi", "lbbb", "lvh_strain", "af"]
found = [read_recording(f"examples/{name}") for name in names]
signals = np.stack([to_model_input(each, bundle.spec).signal for each in found])
probabilities = bundle.predict(signals, age=[f.age for f in found], sex=[f.sex for f in found])
print("            ", *(f"{name:>6}" for name in bundle.task.classes))
for name, row in zip(names, probabilities, strict=True):
    print(f"{name:12}", *(f"{p:6.3f}" for p in row))

# %% [markdown]
# Atrial fibrillation is a rhythm, and none of the five superclasses: the model sees the ST change of that record only.
#
# ## Can the signal be trusted?

# %%
from heart_reader.data.quality import assess

flat = np.zeros_like(signals[:1])
for name, quality in zip(
    [*names, "flat"], assess(np.concatenate([signals, flat]), 100, bundle.spec.leads), strict=True
):
    print(f"{name:12} {quality.verdict:9} {'; '.join(quality.reasons)[:70]}")

# %% [markdown]
# An unusable record gets no labels, from `predict` and from a server alike.
#
# ## Look at it

# %%
from IPython.display import Image

from heart_reader.evaluation.plots.figures import save
from heart_reader.evaluation.report import by_class
from heart_reader.evaluation.sheets.ecg import ecg_sheet

index = names.index("lvh_strain")
sheet = ecg_sheet(
    signals[index],
    bundle.spec.fs,
    "left ventricular hypertrophy with strain",
    by_class(probabilities[index], bundle.task.classes),
    by_class(bundle.thresholds, bundle.task.classes),
)
Image(filename=save(sheet, Path("sheet.png")))

# %% [markdown]
# On the command line all of this is `heart-reader predict --model pretrained/ensemble --plot sheets examples/lvh_strain`.
