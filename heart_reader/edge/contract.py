"""What every exported model takes and gives, whatever its file format.

    - signal: float32 (n, 12, 1000) in mV, 10 s at 100 Hz, leads in the order of ``LEADS``
    - features: float32 (n, n_features), raw values in the order of the encoder's names; any
      finite number where one is missing
    - mask: float32 (n, n_features), 1 where a feature was measured and 0 where it is missing;
      all 0: no features
    - probabilities: float32 (n, 5), in the order of ``SUPERCLASSES``

The form "fused" reads all three, "signal" the signal alone.
"""

from typing import Literal

Form = Literal["fused", "signal"]
FORMS: tuple[Form, ...] = ("fused", "signal")
OUTPUT = "probabilities"
