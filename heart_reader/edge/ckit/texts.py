"""README.md of a C kit."""

from collections import Counter

from heart_reader.data.demo.marks import WARNING
from heart_reader.edge.ckit.emit import Meaning
from heart_reader.edge.ckit.facts import Facts

_README = """# The model in C

{warning}`{source}` as C99 without malloc, files or a clock: 8-bit arithmetic of TensorFlow
Lite's reference kernels. `make check` builds it here and compares with golden vectors (synthetic
ECGs; no patient's record is inside), `make size` says what it takes on a Cortex-M4, `make qemu`
runs the golden vectors on an emulated one.

| what | bytes |
|---|---|
| arena (RAM, static) | {arena:,} |
| signal that the caller holds (RAM) | {signal:,} |
| stack | below 1,000 |
| constants (flash) | {constants:,} |
| code with libm's exp and log (flash) | about {code:,} |

{macs:.1f} million multiplications a record. The build may say where arena and constants lie:
`-DHR_ARENA='__attribute__((section(".psram")))'`, `-DHR_CONSTANT=...`. `make size FLASH=1048576
RAM=262144` fails where a board has less than the kit needs.

| file | what |
|---|---|
| `heart_reader.h`, `heart_reader.c` | what a firmware calls |
| `hr_model.h`, `hr_model.c` | sizes, names, constants, the network as calls in their order |
| `hr_kernels.h`, `hr_kernels.c` | the operators |
| `hr_golden.h`, `hr_golden.c`, `check.c`, `host.c`, `mps2*` | tests; no firmware needs them |
| `example.c` | a program that reads a CSV file at any sampling rate |

## Use

    #include "heart_reader.h"

    /* mV at {fs} Hz, lead after lead: {leads} */
    static float signal[HR_N_LEADS * HR_N_TIMES];
    static float taps[{n_taps}]; /* hr_n_taps(500) */
    static hr_resampler from_500;

    int begin(void)
    {{
        hr_make_resampler(&from_500, 500, taps);
        return hr_self_test(); /* 0: the flash isn't what was exported */
    }}

    /* {n_at_500} samples of one lead from the converter at 500 Hz. */
    void take_lead(int lead, const float *samples)
    {{
        hr_resample(&from_500, {n_at_500}, samples, signal + lead * HR_N_TIMES);
    }}

    void answer(void)
    {{
        float probabilities[HR_N_CLASSES];
        if (hr_predict(signal, {nothing}, probabilities) != HR_OK) {{
            puts("nothing is said: flat, or not a number");
            return;
        }}
        for (int k = 0; k < HR_N_CLASSES; k++)
            printf("%s %.3f%s\\n", hr_classes[k], probabilities[k],
                   hr_present(k, probabilities[k]) ? " present" : "");
    }}

Classes: {classes}. Thresholds and, where there are some, calibration curves are those of
`{source}` in `labels.json`.{features}

## What is computed

| operator | calls |
|---|---|
{operators}

Codes and probabilities equal those of TensorFlow Lite's reference kernels. LiteRT's usual
kernels (XNNPACK) round elsewhere: on this kit's records their probabilities differ by up to
{apart:.4f}. `-ffp-contract=off` keeps the same roundings in float32; without it codes may differ
by 1.

It answers whatever isn't flat: whether a signal can be read is for the caller to judge. One
record at a time: the arena is static. Right shifts of negative numbers must be arithmetic, as in
every compiler for these processors. Not a medical device.
"""

_FEATURES = """ It also reads {n} features (`hr_features`), raw, and a mask that is 1 where one was
measured; without them (0, 0) it answers from the signal."""

CODE_BYTES = 14_000  # arm-none-eabi-gcc 12.2, -O2, cortex-m4 with its floating-point unit


def readme(meaning: Meaning, facts: Facts, synthetic: bool) -> str:
    """README.md of a kit."""
    spec, features = meaning.spec, meaning.features
    counts = Counter(dict(facts.operators)).most_common()
    return _README.format(
        warning=f"**Careful: {WARNING}.**\n\n" if synthetic else "",
        source=meaning.source,
        arena=facts.arena_bytes,
        signal=4 * spec.n_leads * spec.n_times,
        constants=facts.constant_bytes,
        code=CODE_BYTES,
        macs=facts.n_macs / 1e6,
        fs=spec.fs,
        leads=" ".join(spec.leads),
        n_taps=facts.taps_at_500,
        n_at_500=-(-spec.n_times * 500 // spec.fs),
        nothing="features, mask" if features else "0, 0",
        classes=", ".join(meaning.task.classes),
        features=_FEATURES.format(n=len(features)) if features else "",
        operators="\n".join(f"| {name} | {n} |" for name, n in counts),
        apart=facts.apart,
    )
