/* Reads an ECG in C99: no malloc, no files, no clock. Not a medical device.
 *
 * One record at a time: the arena is static, so that two threads must take turns. Sizes and names of
 * this model are in hr_model.h; golden vectors and `make check` say whether a build is right. */
#ifndef HEART_READER_H
#define HEART_READER_H

#include "hr_model.h"

#include <stdint.h>

enum {
    HR_OK = 0,
    HR_NOT_FINITE = 1, /* the signal holds a NaN or an infinity: nothing was written */
    HR_FLAT = 2        /* most leads are flat lines: nothing was written */
};

/* Probabilities of one ECG, calibrated where the model is.
 *
 * signal: millivolts, HR_N_LEADS leads of HR_N_TIMES samples each at HR_FS Hz, lead after lead in
 *   the order of hr_leads.
 * features, mask: HR_N_FEATURES raw values, and 1 where one was measured, else 0; 0 (no pointer) for
 *   either: none was. A value that isn't finite counts as missing. Models without features read
 *   neither.
 * probabilities: HR_N_CLASSES of them, in the order of hr_classes.
 *
 * It answers whatever isn't flat, noise too: whether a signal can be read is for the caller to judge. */
int hr_predict(const float *signal, const float *features, const float *mask,
               float *probabilities);

/* Whether a finding is there: its probability is at or above the threshold. */
int hr_present(int32_t class_number, float probability);

/* What the network says becomes what hr_predict gives. */
float hr_calibrated(int32_t class_number, float probability);

/* 1 where every constant of the network is what was exported (CRC-32), else 0: flash can fail. */
int hr_self_test(void);

/* ---------------------------------------------------------------- other sampling rates */

typedef struct {
    int32_t up, down, half;
    const float *taps;
} hr_resampler;

/* How many floats hr_make_resampler needs for signals of `fs` Hz. */
int32_t hr_n_taps(int32_t fs);

/* Designs the filter, once; `taps` must stay as long as the resampler is used. */
void hr_make_resampler(hr_resampler *made, int32_t fs, float *taps);

/* How many samples become of n. */
int32_t hr_n_resampled(const hr_resampler *by, int32_t n);

/* One lead of n samples (at least 2) at HR_FS Hz. Beyond its ends it goes on along the line through
 * its first and last sample. */
void hr_resample(const hr_resampler *by, int32_t n, const float *in, float *out);

#endif
