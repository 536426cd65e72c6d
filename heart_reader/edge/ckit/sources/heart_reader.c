#include "heart_reader.h"

#include <math.h>

/* ---------------------------------------------------------------- what is judged first */

static int is_finite(float x)
{
    return x - x == 0.0f;
}

/* The middle of the leads' heights; of an even number, the mean of both. */
static float typical_height(const float *signal)
{
    float heights[HR_N_LEADS];
    for (int32_t lead = 0; lead < HR_N_LEADS; lead++, signal += HR_N_TIMES) {
        float low = signal[0], high = signal[0];
        for (int32_t t = 1; t < HR_N_TIMES; t++) {
            if (signal[t] < low) low = signal[t];
            if (signal[t] > high) high = signal[t];
        }
        int32_t place = lead;
        for (; place > 0 && heights[place - 1] > high - low; place--)
            heights[place] = heights[place - 1];
        heights[place] = high - low;
    }
    return (heights[(HR_N_LEADS - 1) / 2] + heights[HR_N_LEADS / 2]) / 2;
}

/* ---------------------------------------------------------------- an answer */

int hr_predict(const float *signal, const float *features, const float *mask,
               float *probabilities)
{
    for (int32_t i = 0; i < HR_N_LEADS * HR_N_TIMES; i++)
        if (!is_finite(signal[i])) return HR_NOT_FINITE;
    if (typical_height(signal) < 0.05f) return HR_FLAT;
    hr_run(signal, features, mask, probabilities);
    for (int32_t k = 0; k < HR_N_CLASSES; k++)
        probabilities[k] = hr_calibrated(k, probabilities[k]);
    return HR_OK;
}

int hr_present(int32_t class_number, float probability)
{
    return (double)probability >= hr_thresholds[class_number];
}

static double on_line(const hr_curve *curve, double p)
{
    const double *x = curve->x, *y = curve->y;
    const int32_t last = curve->n_knots - 1;
    if (p <= x[0]) return y[0];
    if (p >= x[last]) return y[last];
    int32_t k = 0;
    while (p >= x[k + 1]) k++;
    return y[k] + (y[k + 1] - y[k]) / (x[k + 1] - x[k]) * (p - x[k]);
}

float hr_calibrated(int32_t class_number, float probability)
{
    const hr_curve *curve = &hr_curves[class_number];
    double p = probability;
    if (curve->n_knots > 0)
        return (float)((1 - HR_OWN_SHARE) * on_line(curve, p) + HR_OWN_SHARE * p);
    if (curve->slope == 1.0 && curve->offset == 0.0) return probability;
    p = p < HR_EDGE ? HR_EDGE : p > 1 - HR_EDGE ? 1 - HR_EDGE : p;
    return (float)(1 / (1 + exp(-curve->slope * log(p / (1 - p)) - curve->offset)));
}

/* ---------------------------------------------------------------- constants */

static uint32_t crc32_of(const unsigned char *bytes, uint32_t n, uint32_t crc)
{
    for (uint32_t i = 0; i < n; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1u) ? 0xEDB88320u : 0u);
    }
    return crc;
}

int hr_self_test(void)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (int32_t k = 0; k < HR_N_ARRAYS; k++)
        crc = crc32_of(hr_arrays[k].bytes, hr_arrays[k].n_bytes, crc);
    return (crc ^ 0xFFFFFFFFu) == HR_CRC;
}

/* ---------------------------------------------------------------- other sampling rates */

enum { PERIODS = 10 }; /* of the slower rate, half of the filter's length */

static int32_t common(int32_t a, int32_t b)
{
    while (b != 0) {
        const int32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static int32_t slower(int32_t fs)
{
    return (fs > HR_FS ? fs : HR_FS) / common(fs, HR_FS);
}

int32_t hr_n_taps(int32_t fs)
{
    return 2 * PERIODS * slower(fs) + 1;
}

/* The modified Bessel function of order 0, of the Kaiser window. */
static double bessel(double x)
{
    double sum = 1, term = 1;
    for (int32_t k = 1; term > 1e-17 * sum; k++) {
        term *= x / (2 * k) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

/* A low pass at the slower rate's half, Kaiser window with beta 5, that leaves a constant as it is. */
void hr_make_resampler(hr_resampler *made, int32_t fs, float *taps)
{
    const double pi = 3.14159265358979323846, beta = 5;
    const int32_t rate = slower(fs), half = PERIODS * rate;
    double sum = 0;
    made->up = HR_FS / common(fs, HR_FS);
    made->down = fs / common(fs, HR_FS);
    made->half = half;
    made->taps = taps;
    for (int32_t k = -half; k <= half; k++) {
        const double x = pi * k / rate, place = (double)k / half;
        const double tap = (k == 0 ? 1 : sin(x) / x) * bessel(beta * sqrt(1 - place * place));
        taps[k + half] = (float)tap;
        sum += tap;
    }
    for (int32_t k = 0; k <= 2 * half; k++) taps[k] = (float)(taps[k] / sum * made->up);
}

int32_t hr_n_resampled(const hr_resampler *by, int32_t n)
{
    return (int32_t)(((int64_t)n * by->up + by->down - 1) / by->down);
}

void hr_resample(const hr_resampler *by, int32_t n, const float *in, float *out)
{
    const int32_t n_out = hr_n_resampled(by, n), reach = (by->half + by->up - 1) / by->up;
    const float slope = (in[n - 1] - in[0]) / (float)(n - 1);
    for (int32_t j = 0; j < n_out; j++) {
        const int32_t middle = (int32_t)((int64_t)j * by->down / by->up);
        float sum = 0;
        for (int32_t i = middle - reach; i <= middle + reach + 1; i++) {
            const int32_t tap = (int32_t)(by->half + (int64_t)j * by->down - (int64_t)i * by->up);
            if (tap < 0 || tap > 2 * by->half) continue;
            const float x = i < 0    ? in[0] + slope * (float)i
                            : i >= n ? in[n - 1] + slope * (float)(i - n + 1)
                                     : in[i];
            sum += by->taps[tap] * x;
        }
        out[j] = sum;
    }
}
