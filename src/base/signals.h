/* SIGINT and SIGTERM: the first asks the work to stop where everything finished can be saved, the
 * second ends the program at once. */
#ifndef MPA_BASE_SIGNALS_H
#define MPA_BASE_SIGNALS_H

/* Catches both. Ignores SIGXFSZ, so that writing beyond the limit of a file's size fails with an
 * error. SIGPIPE stays as it is: a closed pipe ends the program quietly. */
void signals_catch(void);
/* The flag that the first signal sets (to its number). */
const volatile int *signals_flag(void);
/* Ends the process by the signal that was caught, so that a shell sees what happened; to be called
 * after everything is saved. Returns when no signal was caught. */
void signals_finish(void);

#endif
