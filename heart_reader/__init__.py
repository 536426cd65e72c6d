"""12-lead ECG classification: data, networks, training, bundles, evaluation, edge, tracking."""

import os

# The threads of PyTorch's OpenMP wait at barriers by counting, 20,000,000 times or so before they
# sleep, and keep the cores from whoever has work: two trainings on two cores took four times as
# long as one. Fewer rounds cost a training alone 5% at most (`benchmarks/two_at_once.py`). OpenMP
# reads this when PyTorch is loaded, which nothing of ours does before it imports this package.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"
