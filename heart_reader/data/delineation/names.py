"""The structured features: their harmonised names, in the order of the feature matrix.

Names and units are those of PTB-XL+ (Strodthoff et al., "PTB-XL+, a comprehensive
electrocardiographic feature dataset", Scientific Data 2023,
https://doi.org/10.1038/s41597-023-02153-8): amplitudes in mV, durations in ms, areas in
mV*ms, axes in degrees, rates in beats per minute.
"""

from heart_reader.data.ptbxl import LEADS

LEAD_MEASUREMENTS = (
    "P_Amp",
    "P_DurFull",
    "P_Area",
    "Q_Amp",
    "Q_Dur",
    "R_Amp",
    "R_Dur",
    "S_Amp",
    "S_Dur",
    "Rp_Amp",
    "QRS_IntDefl",
    "QRS_Area",
    "ST_Amp",
    "ST_Amp80ms",
    "T_Amp",
    "T_Area",
)
GLOBAL_MEASUREMENTS = (
    "HR__Global",
    "RR_Mean_Global",
    "RR_StdDev_Global",
    "P_Dur_Global",
    "PR_Int_Global",
    "QRS_Dur_Global",
    "QT_Int_Global",
    "QT_IntFridericia_Global",
    "P_AxisFront_Global",
    "QRS_AxisFront_Global",
    "T_AxisFront_Global",
)
FEATURE_NAMES = (
    *(f"{measurement}_{lead}" for lead in LEADS for measurement in LEAD_MEASUREMENTS),
    *GLOBAL_MEASUREMENTS,
)
