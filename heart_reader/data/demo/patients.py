"""The people of the demo: who they are, what they have, and the codes that a reader gives them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from heart_reader.data.demo.ecg import Floats
from heart_reader.data.ptbxl import AGE_OVER_89, SUPERCLASSES

Ints = npt.NDArray[np.int64]

# code -> description, superclass ("" for form and rhythm), how often within its superclass
STATEMENTS: dict[str, tuple[str, str, float]] = {
    "NORM": ("normal ECG", "NORM", 1.0),
    "IMI": ("inferior myocardial infarction", "MI", 0.38),
    "ASMI": ("anteroseptal myocardial infarction", "MI", 0.34),
    "ILMI": ("inferolateral myocardial infarction", "MI", 0.08),
    "AMI": ("anterior myocardial infarction", "MI", 0.08),
    "ALMI": ("anterolateral myocardial infarction", "MI", 0.07),
    "LMI": ("lateral myocardial infarction", "MI", 0.05),
    "NDT": ("non-diagnostic T abnormalities", "STTC", 0.32),
    "ISC_": ("non-specific ischemic", "STTC", 0.28),
    "NST_": ("non-specific ST changes", "STTC", 0.15),
    "ISCAL": ("ischemic in anterolateral leads", "STTC", 0.14),
    "ISCIN": ("ischemic in inferior leads", "STTC", 0.07),
    "LNGQT": ("long QT-interval", "STTC", 0.04),
    "LAFB": ("left anterior fascicular block", "CD", 0.29),
    "IRBBB": ("incomplete right bundle branch block", "CD", 0.18),
    "1AVB": ("first degree AV block", "CD", 0.14),
    "IVCD": ("non-specific intraventricular conduction disturbance (block)", "CD", 0.13),
    "CRBBB": ("complete right bundle branch block", "CD", 0.13),
    "CLBBB": ("complete left bundle branch block", "CD", 0.13),
    "LVH": ("left ventricular hypertrophy", "HYP", 0.78),
    "LAO/LAE": ("left atrial overload/enlargement", "HYP", 0.14),
    "RVH": ("right ventricular hypertrophy", "HYP", 0.08),
    "ABQRS": ("abnormal QRS", "", 0.0),
    "LVOLT": ("low QRS voltages in the frontal and horizontal leads", "", 0.0),
    "SR": ("sinus rhythm", "", 0.0),
    "SBRAD": ("sinus bradycardia", "", 0.0),
    "STACH": ("sinus tachycardia", "", 0.0),
    "SARRH": ("sinus arrhythmia", "", 0.0),
    "AFIB": ("atrial fibrillation", "", 0.0),
}
RHYTHMS = ("SR", "SBRAD", "STACH", "SARRH", "AFIB")

# share of people, and of each class among those who aren't well; near to PTB-XL's own shares
_WELL, _NOTHING_CODED = 0.42, 0.02
_ILL = {"MI": 0.46, "STTC": 0.42, "CD": 0.38, "HYP": 0.22}
_SUBTLE = 0.3  # share of the well with a trace of a finding that nobody codes
_MISSED, _OVERCALLED = 0.05, 0.02  # what readers get wrong, per code and per record


@dataclass(frozen=True)
class Patients:
    """``findings[i]`` is what person ``i`` has: code -> severity; ``coded`` what readers see."""

    findings: list[dict[str, float]]
    coded: list[bool]
    age: Floats
    sex: Floats
    heart_rate: Floats
    fibrillates: npt.NDArray[np.bool_]


def draw_patients(n: int, rng: np.random.Generator) -> Patients:
    """``n`` people with their findings, age (years), sex and resting heart rate (per minute)."""
    findings: list[dict[str, float]] = []
    state = rng.random(n)
    for share in state:
        if share < _WELL + _NOTHING_CODED:
            findings.append(_trace(rng))
        else:
            findings.append(_ill(rng))
    ill = state >= _WELL + _NOTHING_CODED
    age = np.where(ill, rng.normal(67, 13, n), rng.normal(52, 18, n)).round().clip(17, 95)
    return Patients(
        findings=findings,
        coded=[not _WELL <= share < _WELL + _NOTHING_CODED for share in state],
        age=age,
        sex=(rng.random(n) < 0.48).astype(np.float64),
        heart_rate=rng.normal(70, 12, n).clip(45, 125),
        fibrillates=ill & (rng.random(n) < 0.08),
    )


def _codes_of(superclass: str) -> list[str]:
    return [code for code, (_, name, _) in STATEMENTS.items() if name == superclass]


def _draw_code(superclass: str, rng: np.random.Generator) -> str:
    codes = _codes_of(superclass)
    weight = np.array([STATEMENTS[code][2] for code in codes])
    return codes[rng.choice(len(codes), p=weight / weight.sum())]


def _trace(rng: np.random.Generator) -> dict[str, float]:
    if rng.random() >= _SUBTLE:
        return {"NORM": 1.0}
    superclass = SUPERCLASSES[1 + int(rng.integers(4))]
    return {"NORM": 1.0, _draw_code(superclass, rng): float(rng.uniform(0.0, 0.25))}


def _ill(rng: np.random.Generator) -> dict[str, float]:
    has = [name for name, share in _ILL.items() if rng.random() < share]
    if not has:
        has = [list(_ILL)[int(rng.integers(len(_ILL)))]]
    found = {_draw_code(name, rng): float(0.1 + 0.9 * rng.beta(1.6, 1.8)) for name in has}
    if "LVH" in found and rng.random() < 0.35:  # strain is coded as ischaemia by some readers
        found.setdefault("ISCAL", 0.3)
    return found


def read_codes(
    patients: Patients, person: int, rhythm: str, rng: np.random.Generator
) -> dict[str, float]:
    """The codes and likelihoods that a reader writes for one record, now and then wrongly."""
    codes: dict[str, float] = {}
    found = patients.findings[person]
    if patients.coded[person]:
        seen = ["NORM"] if "NORM" in found else list(found)
        kept = [code for code in seen if rng.random() >= _MISSED] or seen
        if rng.random() < _OVERCALLED:
            kept.append(_draw_code("STTC", rng))
        for code in dict.fromkeys(kept):
            codes[code] = float(
                rng.choice([100, 80, 50, 35, 15, 0], p=[0.6, 0.2, 0.1, 0.04, 0.04, 0.02])
            )
    if any(STATEMENTS[code][1] in ("MI", "CD") for code in codes) or not codes:
        codes["ABQRS"] = 0.0
    codes[rhythm] = 0.0
    return codes


def deal_folds(patients: Patients, person: Ints, rng: np.random.Generator) -> Ints:
    """A fold from 1 to 10 for each record: whole patients, alike in findings and in number."""
    n = len(patients.findings)
    kind = [
        "+".join(sorted({STATEMENTS[code][1] for code in found} | {"" if coded else "none"}))
        for found, coded in zip(patients.findings, patients.coded, strict=True)
    ]
    records = np.bincount(person, minlength=n)
    order = sorted(rng.permutation(n).tolist(), key=lambda i: (-records[i], kind[i]))
    fold_of = np.empty(n, dtype=np.int64)
    for start in range(0, n, 10):
        ten = order[start : start + 10]
        fold_of[ten] = rng.permutation(10)[: len(ten)] + 1
    return fold_of[person]


def metadata_table(
    patients: Patients, person: Ints, codes: list[dict[str, float]], rng: np.random.Generator
) -> pd.DataFrame:
    """The columns of PTB-XL's ``ptbxl_database.csv``, in its order, a row a record."""
    n = len(person)
    ecg_id = np.arange(1, n + 1)
    age = patients.age[person]
    age[age > 89] = AGE_OVER_89
    male = patients.sex[person] == 0
    start = np.datetime64("1990-01-01T08:00:00")
    days = np.sort(rng.integers(0, 4000 * 86400, n)).astype("timedelta64[s]")
    human = rng.random(n) < 0.75
    reports = [
        "; ".join(STATEMENTS[code][0] for code in some) + ". unbestätigter bericht"
        for some in codes
    ]
    nothing = np.full(n, None, dtype=object)
    return pd.DataFrame(
        {
            "ecg_id": ecg_id,
            "patient_id": (person + 1000).astype(np.float64),
            "age": _with_gaps(age, 0.01, rng),
            "sex": _sex_column(patients.sex[person], rng),
            "height": _with_gaps(rng.normal(np.where(male, 175, 163), 7).round(), 0.68, rng),
            "weight": _with_gaps(rng.normal(np.where(male, 82, 70), 13).round(), 0.57, rng),
            "nurse": rng.integers(0, 12, n).astype(np.float64),
            "site": rng.integers(0, 4, n).astype(np.float64),
            "device": "DEMO",
            "recording_date": [str(start + d).replace("T", " ") for d in days],
            "report": reports,
            "scp_codes": [str(some) for some in codes],
            "heart_axis": nothing,
            "infarction_stadium1": nothing,
            "infarction_stadium2": nothing,
            "validated_by": _with_gaps(rng.integers(0, 4, n).astype(np.float64), 0.4, rng),
            "second_opinion": rng.random(n) < 0.02,
            "initial_autogenerated_report": ~human,
            "validated_by_human": human,
            "baseline_drift": nothing,
            "static_noise": nothing,
            "burst_noise": nothing,
            "electrodes_problems": nothing,
            "extra_beats": nothing,
            "pacemaker": nothing,
            "strat_fold": deal_folds(patients, person, rng),
            "filename_lr": [_name("records100", i, "lr") for i in ecg_id.tolist()],
            "filename_hr": [_name("records500", i, "hr") for i in ecg_id.tolist()],
        }
    )


def _name(folder: str, ecg_id: int, suffix: str) -> str:
    return f"{folder}/{ecg_id // 1000 * 1000:05d}/{ecg_id:05d}_{suffix}"


def _with_gaps(values: Floats, share: float, rng: np.random.Generator) -> Floats:
    return np.where(rng.random(len(values)) < share, np.nan, values)


def _sex_column(sex: Floats, rng: np.random.Generator) -> npt.NDArray[np.object_]:
    gaps = rng.random(len(sex)) < 0.005
    return np.array([None if gap else int(s) for s, gap in zip(sex, gaps, strict=True)], object)


def statements_table() -> pd.DataFrame:
    """The columns of PTB-XL's ``scp_statements.csv`` for the codes that the demo uses."""
    codes = list(STATEMENTS)
    superclass = [STATEMENTS[code][1] for code in codes]
    nothing = [None] * len(codes)
    form = [1.0 if code in ("ABQRS", "LVOLT", "NDT", "NST_", "LNGQT") else None for code in codes]
    return pd.DataFrame(
        {
            "description": [STATEMENTS[code][0] for code in codes],
            "diagnostic": [1.0 if name else None for name in superclass],
            "form": form,
            "rhythm": [1.0 if code in RHYTHMS else None for code in codes],
            "diagnostic_class": [name or None for name in superclass],
            "diagnostic_subclass": [
                name and code for name, code in zip(superclass, codes, strict=True)
            ],
            "Statement Category": nothing,
            "SCP-ECG Statement Description": [STATEMENTS[code][0] for code in codes],
            "AHA code": nothing,
            "aECG REFID": nothing,
            "CDISC Code": nothing,
            "DICOM Code": nothing,
        },
        index=codes,
    )
