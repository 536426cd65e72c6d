/* How many instructions one record takes: qemu counts a nanosecond for each (-icount shift=0), and
 * the board's timer ticks every 40 of them. A processor takes more cycles than that: it waits for
 * flash and divides slowly. */
#include "heart_reader.h"
#include "hr_golden.h"

#include <stdio.h>

static float signal[HR_N_LEADS * HR_N_TIMES];
static volatile uint32_t *const timer = (volatile uint32_t *)0x40000000; /* control, value, reload */

int main(void)
{
    float probabilities[HR_N_CLASSES];
    hr_golden_signal(0, signal);
    timer[2] = timer[1] = 0xFFFFFFFFu;
    timer[0] = 1;
    hr_run(signal, 0, 0, probabilities);
    printf("%.1f million instructions\n", (double)(0xFFFFFFFFu - timer[1]) * 40 / 1e6);
    return 0;
}
