/* From reset to main on the emulated board, and main's answer back to who started qemu. */
#include <stdint.h>
#include <stdio.h>

extern uint32_t stack_top, bss_start, bss_end;
extern void initialise_monitor_handles(void);
extern int main(void);
void reset(void);
static void stop(void);

typedef struct {
    void *stack;
    void (*handlers[15])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    &stack_top, {reset, stop, stop, stop, stop, stop}};

static void semihosting_exit(uint32_t reason)
{
    register uint32_t r0 __asm__("r0") = 0x18; /* SYS_EXIT */
    register uint32_t r1 __asm__("r1") = reason;
    __asm__ volatile("bkpt 0xab" : : "r"(r0), "r"(r1) : "memory");
}

static void stop(void)
{
    semihosting_exit(0x20023); /* a run-time error: qemu ends with 1 */
}

void reset(void)
{
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* the floating-point unit on */
    __asm__ volatile("dsb\n isb");
    for (uint32_t *p = &bss_start; p < &bss_end; p++) *p = 0;
    initialise_monitor_handles();
    const int failed = main();
    fflush(stdout);
    semihosting_exit(failed ? 0x20023 : 0x20026);
    for (;;) {
    }
}
