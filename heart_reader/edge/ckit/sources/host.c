/* On a computer with files: measures the network, or answers many records.
 *
 *   ./host bench N             milliseconds of N predictions of one golden record, one a line
 *   ./host run < RECORDS       float32 records in; their codes (int8) and what the network says
 *                              (float32, not calibrated) out
 * A record is the signal, then features and mask where the model reads some, as hr_predict does. */
#include "heart_reader.h"
#include "hr_golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { N_SIGNAL = HR_N_LEADS * HR_N_TIMES, N_RECORD = N_SIGNAL + 2 * HR_N_FEATURES };

static float record[N_RECORD];

static int bench(int n_runs)
{
    float probabilities[HR_N_CLASSES];
    hr_golden_signal(0, record);
    for (int run = 0; run < n_runs; run++) {
        const clock_t started = clock();
        hr_run(record, 0, 0, probabilities);
        printf("%.6f\n", 1e3 * (double)(clock() - started) / CLOCKS_PER_SEC);
    }
    return 0;
}

static int run(void)
{
    float probabilities[HR_N_CLASSES];
    while (fread(record, sizeof record, 1, stdin) == 1) {
        hr_run(record, record + N_SIGNAL, record + N_SIGNAL + HR_N_FEATURES, probabilities);
        if (fwrite(hr_last_codes(), HR_N_CODES, 1, stdout) != 1) return 1;
        if (fwrite(probabilities, sizeof probabilities, 1, stdout) != 1) return 1;
    }
    return ferror(stdin) ? 1 : 0;
}

int main(int n_words, char **words)
{
    if (n_words == 3 && strcmp(words[1], "bench") == 0 && atoi(words[2]) > 0)
        return bench(atoi(words[2]));
    if (n_words == 2 && strcmp(words[1], "run") == 0) return run();
    fprintf(stderr, "usage: host bench N, or host run < RECORDS\n");
    return 2;
}
