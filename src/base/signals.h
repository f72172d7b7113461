/* SIGINT and SIGTERM: the first asks the work to stop at its next resting place, the second ends
 * the program at once. */
#ifndef MPA_BASE_SIGNALS_H
#define MPA_BASE_SIGNALS_H

/* Catches both, and ignores SIGXFSZ, whose writes then fail with an error. A closed pipe ends
 * the program quietly, as it is usual. */
void signals_catch(void);
/* The flag that the first signal sets (to its number). */
const volatile int *signals_flag(void);
/* After cleaning up: ends the process by the signal that was caught, so that a shell sees what
 * happened. Returns when there was none. */
void signals_finish(void);

#endif
