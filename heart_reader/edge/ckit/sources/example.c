/* cc -std=c99 example.c heart_reader.c hr_kernels.c hr_model.c -lm -o example
 * ./example 500 < ECG.csv: lines of HR_N_LEADS numbers in mV, at the rate that is named. */
#include "heart_reader.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST = 20000, MOST_TAPS = 20001 }; /* of a lead at its own rate; of the filter */
static float in[HR_N_LEADS][MOST], out[MOST * 2], signal[HR_N_LEADS * HR_N_TIMES];
static float taps[MOST_TAPS], probabilities[HR_N_CLASSES];

int main(int n_words, char **words)
{
    const int32_t fs = n_words > 1 ? atoi(words[1]) : HR_FS;
    int32_t n = 0, lead = 0;
    while (n < MOST && scanf("%f%*[, \t\r\n]", &in[lead][n]) == 1)
        if (++lead == HR_N_LEADS) lead = 0, n++;
    if (!hr_self_test()) return puts("the model is damaged"), 1;
    if (fs < 1 || hr_n_taps(fs) > MOST_TAPS || n < 2) return puts("no ECG of such a rate"), 1;
    hr_resampler by;
    hr_make_resampler(&by, fs, taps);
    if (hr_n_resampled(&by, n) < HR_N_TIMES) return puts("the ECG is too short"), 1;
    if (hr_n_resampled(&by, n) > MOST * 2) return puts("the ECG is too long"), 1;
    for (lead = 0; lead < HR_N_LEADS; lead++) {
        hr_resample(&by, n, in[lead], out);
        for (int32_t t = 0; t < HR_N_TIMES; t++) signal[lead * HR_N_TIMES + t] = out[t];
    }
    if (hr_predict(signal, 0, 0, probabilities) != HR_OK) return puts("nothing is said"), 1;
    for (int32_t k = 0; k < HR_N_CLASSES; k++)
        printf("%-5s %.3f %s\n", hr_classes[k], (double)probabilities[k],
               hr_present(k, probabilities[k]) ? "present" : "");
    return 0;
}
