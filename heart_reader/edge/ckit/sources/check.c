/* Whether this build answers as the exported model does: golden vectors in, answers compared.
 * Ends with 0 where all hold. Runs on a computer (`make check`), under qemu (`make qemu`), or on a
 * board whose printf goes somewhere. */
#include "heart_reader.h"
#include "hr_golden.h"

#include <stdio.h>
#include <stdlib.h>

static const double MOST_PROBABILITY = 1e-5; /* exp and log differ in their last bits */
static const double MOST_MILLIVOLTS = 1e-5;
enum { MOST_CODE = 1 };

static float signal[HR_N_LEADS * HR_N_TIMES];
static float taps[HR_GOLDEN_TAPS], resampled[HR_GOLDEN_RESAMPLED];
static int n_failed;

static void expect(int holds, const char *what, int32_t where, double found, double allowed)
{
    if (holds) return;
    n_failed++;
    printf("FAIL: %s of record %d: %g, allowed %g\n", what, (int)where, found, allowed);
}

static double apart(double a, double b)
{
    return a > b ? a - b : b - a;
}

static double most(double a, double b)
{
    return a > b ? a : b;
}

static double check_codes(int32_t k)
{
    const int8_t *found = hr_last_codes();
    double worst = 0;
    for (int32_t i = 0; i < HR_N_CODES; i++)
        worst = most(worst, abs(found[i] - hr_golden_codes[k * HR_N_CODES + i]));
    expect(worst <= MOST_CODE, "codes", k, worst, MOST_CODE);
    return worst;
}

static double check_record(int32_t k, double *worst_code)
{
    const float *features = 0, *mask = 0;
    float found[HR_N_CLASSES];
    double worst = 0;
#if HR_N_FEATURES > 0
    features = hr_golden_features + k * HR_N_FEATURES;
    mask = hr_golden_mask + k * HR_N_FEATURES;
#endif
    hr_golden_signal(k, signal);
    hr_run(signal, features, mask, found);
    *worst_code = most(*worst_code, check_codes(k));
    for (int32_t c = 0; c < HR_N_CLASSES; c++) {
        const int32_t i = k * HR_N_CLASSES + c;
        worst = most(worst, apart(found[c], hr_golden_raw[i]));
        worst = most(worst, apart(hr_calibrated(c, found[c]), hr_golden_calibrated[i]));
    }
    expect(worst <= MOST_PROBABILITY, "probabilities", k, worst, MOST_PROBABILITY);
    const int status = hr_predict(signal, features, mask, found);
    expect(status == hr_golden_status[k], "status", k, status, hr_golden_status[k]);
    return worst;
}

static double check_resampling(int32_t k)
{
    const hr_golden_rate *rate = &hr_golden_rates[k];
    hr_resampler by;
    double worst = 0;
    hr_make_resampler(&by, rate->fs, taps);
    const int32_t n = hr_n_resampled(&by, rate->n_in);
    expect(n == rate->n_out, "length at another rate", k, n, rate->n_out);
    if (n != rate->n_out) return 0;
    hr_resample(&by, rate->n_in, rate->in, resampled);
    for (int32_t i = 0; i < n; i++) worst = most(worst, apart(resampled[i], rate->out[i]));
    expect(worst <= MOST_MILLIVOLTS, "samples at another rate", k, worst, MOST_MILLIVOLTS);
    return worst;
}

int main(void)
{
    double worst_code = 0, worst = 0, worst_sample = 0;
    expect(hr_self_test(), "checksum of the constants", -1, 1, 0);
    for (int32_t k = 0; k < HR_N_GOLDEN; k++) worst = most(worst, check_record(k, &worst_code));
    for (int32_t k = 0; k < HR_N_GOLDEN_RATES; k++)
        worst_sample = most(worst_sample, check_resampling(k));
    printf("%d records: codes differ by at most %g (allowed %d), probabilities by %.1e (%.0e); ",
           HR_N_GOLDEN, worst_code, MOST_CODE, worst, MOST_PROBABILITY);
    printf("resampled leads by %.1e mV (%.0e)\n", worst_sample, MOST_MILLIVOLTS);
    printf(n_failed ? "FAILED: %d\n" : "PASS\n", n_failed);
    return n_failed ? 1 : 0;
}
