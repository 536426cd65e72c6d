"""What every exported model takes and gives, whatever its file format.

    - signal: float32 (n, n_leads, n_times) in mV, leads and rate as the bundle's spec says
    - features: float32 (n, n_features), raw values in the order of the encoder's names; any
      finite number where one is missing
    - mask: float32 (n, n_features), 1 where a feature was measured and 0 where it is missing;
      all 0: no features
    - probabilities: float32 (n, n_classes), in the order of the bundle's task

The form "fused" reads all three, "signal" the signal alone.
"""

from typing import Literal

Form = Literal["fused", "signal"]
FORMS: tuple[Form, ...] = ("fused", "signal")
OUTPUT = "probabilities"
