"""Names of measured features as a reader of ECGs says them."""

from heart_reader.data.delineation import MainMeasurements

WHAT = {
    "Amp": "amplitude",
    "Dur": "duration",
    "DurFull": "duration",
    "Area": "area",
    "Amp80ms": "at 80 ms",
    "IntDefl": "peak time",
}
WAVES = {"Rp": "R'", "Pp": "P'"}
GLOBAL = {
    "HR__Global": "heart rate",
    "RR_Mean_Global": "RR",
    "RR_StdDev_Global": "RR spread",
    "P_Dur_Global": "P duration",
    "PR_Int_Global": "PR",
    "QRS_Dur_Global": "QRS",
    "QT_Int_Global": "QT",
    "QT_IntFridericia_Global": "QTc",
    "P_AxisFront_Global": "P axis",
    "QRS_AxisFront_Global": "QRS axis",
    "T_AxisFront_Global": "T axis",
}
# Features that stand in a table of main measurements too: a sheet shows one value for one thing,
# though the model reads intervals from foot to foot, as PTB-XL+ measures them.
AS_MEASURED = {
    "HR__Global": "rate_bpm",
    "PR_Int_Global": "pr_ms",
    "QRS_Dur_Global": "qrs_ms",
    "QT_Int_Global": "qt_ms",
    "QT_IntFridericia_Global": "qtc_ms",
    "QRS_AxisFront_Global": "qrs_axis_degrees",
}


def feature_words(name: str) -> str:
    """A feature's name in words; a name that isn't ours stays as it is.

    >>> feature_words("Q_Dur_aVF"), feature_words("ST_Amp80ms_V2"), feature_words("Rp_Amp_II")
    ('Q duration aVF', 'ST at 80 ms V2', "R' amplitude II")
    >>> feature_words("QT_IntFridericia_Global"), feature_words("sex"), feature_words("a_b")
    ('QTc', 'sex', 'a_b')
    """
    if name in GLOBAL:
        return GLOBAL[name]
    parts = name.split("_")
    if len(parts) != 3 or parts[1] not in WHAT:
        return name
    wave, what, lead = parts
    return f"{WAVES.get(wave, wave)} {WHAT[what]} {lead}"


def shown_value(name: str, value: float, measured: MainMeasurements | None) -> float:
    """The value that stands beside a feature: the main measurement where there is one."""
    if measured is None or name not in AS_MEASURED:
        return value
    return float(getattr(measured, AS_MEASURED[name], value))
