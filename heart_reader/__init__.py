"""12-lead ECG classification: data, networks, training, bundles, evaluation, edge, tracking."""

import os

# The threads of PyTorch's OpenMP wait at barriers by counting, 20,000,000 times or so before they
# sleep, and keep the cores from whoever has work. With fewer rounds two trainings at once on two
# cores take 1.6 times as long as one instead of 2.7; one alone loses 5 to 17%
# (`python -m benchmarks.two_at_once`). OpenMP reads this when PyTorch is loaded, which nothing of
# ours does before it imports this package.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"
