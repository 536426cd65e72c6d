"""PTB-XL: leads, superclasses, folds, metadata and labels.

Wagner et al., "PTB-XL, a large publicly available electrocardiography dataset",
Scientific Data 2020. https://doi.org/10.1038/s41597-020-0495-6
"""

SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
SAMPLING_RATE = 100  # Hz
N_TIMES = 1000  # 10 s at 100 Hz

TRAIN_FOLDS = (1, 2, 3, 4, 5, 6, 7, 8)
VALIDATION_FOLD = 9
TEST_FOLD = 10
