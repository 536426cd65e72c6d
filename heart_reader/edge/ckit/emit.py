"""A program as two files of C: hr_model.h, what callers see, and hr_model.c, all the rest."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from heart_reader.data.spec import SignalSpec
from heart_reader.edge.ckit.graph import Graph
from heart_reader.edge.ckit.plan import Plan
from heart_reader.edge.ckit.program import Program, Step, c_float
from heart_reader.evaluation.trust.calibrator import EDGE, ISOTONIC, OWN_SHARE, Curve
from heart_reader.tasks.task import Task

C_TYPES = {
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "float32": "float",
    "float64": "double",
}
PER_LINE = 20  # numbers
MADE = "/* Made by heart-reader from {source}; not to be edited. */\n"


@dataclass(frozen=True)
class Meaning:
    """What the numbers of a model mean.

    Attributes:
        source: file that it was made from.
        task: what it answers.
        spec: what it reads.
        features: names of what it reads beside the signal.
        thresholds: one for each class.
        curves: of its calibrator, one for each class; empty where it has none.
    """

    source: str
    task: Task
    spec: SignalSpec
    features: tuple[str, ...]
    thresholds: NDArray[np.float64]
    curves: tuple[Curve, ...]


# ---------------------------------------------------------------- pieces of C


def array_of(name: str, values: NDArray[Any], keywords: str = "static const ") -> str:
    """A constant array, flat."""
    numbers = [_number(value) for value in values.reshape(-1)]
    rows = (numbers[start : start + PER_LINE] for start in range(0, len(numbers), PER_LINE))
    lines = [", ".join(row) + "," for row in rows]
    return (
        f"{keywords}{C_TYPES[values.dtype.name]} {name}[{values.size}] = {{\n"
        + "\n".join(lines)
        + "\n};\n"
    )


def strings_of(name: str, words: Iterable[str]) -> str:
    """A constant array of strings."""
    quoted = ", ".join(
        '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words
    )
    return f"const char *const {name}[] = {{{quoted}}};\n"


def crc_of(program: Program) -> int:
    """CRC-32 of all arrays, in their order, as they lie in a little-endian memory."""
    crc = 0
    for values in program.arrays.values():
        crc = zlib.crc32(values.astype(values.dtype.newbyteorder("<")).tobytes(), crc)
    return crc


def _number(value: Any) -> str:
    if isinstance(value, np.float32):
        return c_float(float(value))
    return repr(value.item())


# ---------------------------------------------------------------- hr_model.h


_HEADER = """{made}#ifndef HR_MODEL_H
#define HR_MODEL_H

#include <stdint.h>

#define HR_N_LEADS {n_leads}
#define HR_N_TIMES {n_times}
#define HR_FS {fs} /* Hz */
#define HR_N_CLASSES {n_classes}
#define HR_N_FEATURES {n_features}
#define HR_ARENA_BYTES {arena}
#define HR_CONSTANT_BYTES {constants}
#define HR_N_CODES {n_codes} /* 8-bit codes that the last layer reads */
#define HR_N_ARRAYS {n_arrays}
#define HR_CRC {crc}u /* of all constants */
#define HR_EDGE {edge} /* of a probability that is calibrated */
#define HR_OWN_SHARE {own_share} /* that an isotonic curve keeps of it */

typedef struct {{
    double slope, offset; /* of the log-odds */
    int32_t n_knots;      /* of an isotonic curve, else 0 */
    const double *x, *y;
}} hr_curve;

typedef struct {{
    const void *bytes;
    uint32_t n_bytes;
}} hr_array;

extern const char *const hr_classes[]; /* {classes} */
extern const char *const hr_leads[];   /* {leads} */
{feature_names}extern const double hr_thresholds[HR_N_CLASSES];
extern const hr_curve hr_curves[HR_N_CLASSES];
extern const hr_array hr_arrays[HR_N_ARRAYS];

/* The network alone: arguments as of hr_predict (heart_reader.h), all finite, nothing judged. */
void hr_run(const float *signal, const float *features, const float *mask, float *probabilities);
/* The HR_N_CODES codes of the last hr_run. */
const int8_t *hr_last_codes(void);

#endif
"""


def header(program: Program, graph: Graph, plan: Plan, meaning: Meaning) -> str:
    """hr_model.h."""
    return _HEADER.format(
        made=MADE.format(source=meaning.source),
        n_leads=meaning.spec.n_leads,
        n_times=meaning.spec.n_times,
        fs=int(meaning.spec.fs),
        n_classes=meaning.task.n_classes,
        n_features=len(meaning.features),
        arena=plan.n_bytes,
        constants=program.n_constant_bytes,
        n_codes=graph.tensors[program.last_codes].size,
        n_arrays=len(program.arrays),
        crc=hex(crc_of(program)),
        edge=EDGE,
        own_share=OWN_SHARE,
        classes=" ".join(meaning.task.classes),
        leads=" ".join(meaning.spec.leads),
        feature_names="extern const char *const hr_features[HR_N_FEATURES];\n"
        * bool(meaning.features),
    )


# ---------------------------------------------------------------- hr_model.c


_SOURCE = """{made}#include "hr_model.h"

#include "hr_kernels.h"

/* Where the arena and the constants lie may be said by the build: -DHR_ARENA='...' */
#ifndef HR_ARENA
#define HR_ARENA
#endif
#ifndef HR_CONSTANT
#define HR_CONSTANT
#endif

{names}
{curves}
/* ---------------------------------------------------------------- constants */

{arrays}
{structures}
const hr_array hr_arrays[HR_N_ARRAYS] = {{
{table}
}};

/* ---------------------------------------------------------------- the network */

static HR_ARENA float arena[HR_ARENA_BYTES / 4];
#define CODES(offset) ((int8_t *)arena + (offset))
#define NUMBERS(offset) (arena + (offset) / 4)

{given}void hr_run(const float *signal, const float *features, const float *mask,
            float *probabilities)
{{
{body}
}}

const int8_t *hr_last_codes(void)
{{
    return CODES({last});
}}
"""

_GIVEN = """static void take_features(const float *features, const float *mask, float *values,
                          float *known)
{
    for (int32_t i = 0; i < HR_N_FEATURES; i++) {
        const int there = features && mask && mask[i] != 0.0f && features[i] - features[i] == 0.0f;
        values[i] = there ? features[i] : 0.0f;
        known[i] = there ? 1.0f : 0.0f;
    }
}

"""


def source(program: Program, graph: Graph, plan: Plan, meaning: Meaning) -> str:
    """hr_model.c."""
    place = _Places(graph, plan)
    lines, given = [], ""
    if meaning.features:
        given = _GIVEN
        inputs = [place(graph.inputs[name]) for name in ("features", "mask")]
        lines.append(f"take_features(features, mask, {', '.join(inputs)});")
    else:
        lines += ["(void)features;", "(void)mask;"]
    lines += [_call(step, place) for step in program.steps if step.call]
    return _SOURCE.format(
        made=MADE.format(source=meaning.source),
        names=_names(meaning),
        curves=_curves(meaning),
        arrays="\n".join(
            array_of(name, values, "static HR_CONSTANT const ")
            for name, values in program.arrays.items()
        ),
        structures="\n".join(
            f"static const {each.kind} {name} = {{{_fields(each.fields)}}};"
            for name, each in program.structures.items()
        ),
        table=",\n".join(f"    {{{name}, sizeof {name}}}" for name in program.arrays),
        given=given,
        body="\n".join(f"    {line}" for line in lines),
        last=plan.offsets[program.last_codes],
    )


class _Places:
    """The address of each tensor in C."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self.graph, self.plan = graph, plan

    def __call__(self, number: int) -> str:
        tensor = self.graph.tensors[number]
        if tensor.values is not None:
            return f"t{number}"
        if number == self.graph.inputs["signal"]:
            return "signal"
        if number == self.graph.output:
            return "probabilities"
        return f"{'CODES' if tensor.dtype == 'int8' else 'NUMBERS'}({self.plan.offsets[number]})"


def _call(step: Step, place: _Places) -> str:
    return step.call.format(*map(place, step.operands), out=place(step.out)) + ";"


def _fields(fields: Mapping[str, str]) -> str:
    return ", ".join(f".{key} = {value}" for key, value in fields.items())


def _names(meaning: Meaning) -> str:
    parts = [
        strings_of("hr_classes", meaning.task.classes),
        strings_of("hr_leads", meaning.spec.leads),
    ]
    if meaning.features:
        parts.append(strings_of("hr_features", meaning.features))
    parts.append(array_of("hr_thresholds", np.asarray(meaning.thresholds, np.float64), "const "))
    return "".join(parts)


def _curves(meaning: Meaning) -> str:
    knots, rows = [], []
    curves: Sequence[Curve | None] = meaning.curves or [None] * meaning.task.n_classes
    for k, curve in enumerate(curves):
        if curve is not None and curve.method == ISOTONIC:
            for axis in ("x", "y"):
                knots.append(
                    array_of(f"{axis}_of_{k}", np.array(getattr(curve, axis), np.float64))
                )
            rows.append(f"{{1.0, 0.0, {len(curve.x)}, x_of_{k}, y_of_{k}}}")
        else:
            slope, offset = (1.0, 0.0) if curve is None else (curve.slope, curve.offset)
            rows.append(f"{{{slope!r}, {offset!r}, 0, 0, 0}}")
    return "".join(knots) + f"const hr_curve hr_curves[HR_N_CLASSES] = {{{', '.join(rows)}}};\n"
