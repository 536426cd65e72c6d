"""Run as a file in a process of its own: a registered model by MLflow alone, without this
repository. ``python -P clean_load.py MODEL_URI INPUT.npz OUTPUT.npy``"""

import sys

import mlflow.pyfunc
import numpy as np


def main(uri: str, given: str, target: str) -> None:
    """Predicts the signals of a file with the code that lies inside the model."""
    model = mlflow.pyfunc.load_model(uri).unwrap_python_model()
    with np.load(given) as arrays:
        # Without a table's values, the model's own code measures the signals.
        features = arrays["features"] if "features" in arrays.files else "compute"
        said = model.bundle.predict(arrays["signals"], features, arrays["age"], arrays["sex"])
    np.save(target, said)


if __name__ == "__main__":
    main(*sys.argv[1:])
