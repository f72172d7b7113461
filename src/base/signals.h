/* SIGINT and SIGTERM: the first asks the work to stop where everything finished can be saved, the
 * second ends the program at once. */
#ifndef MPA_BASE_SIGNALS_H
#define MPA_BASE_SIGNALS_H

/* Catches both. Ignores SIGXFSZ and SIGPIPE, so that writing beyond the limit of a file's size or to a pipe
 * that nobody reads fails with an error: who no longer reads messages does not end the work. */
void signals_catch(void);
/* The flag that the first signal sets (to its number). */
const volatile int *signals_flag(void);
/* Ends the process quietly, as programs do, when the last write failed because nobody reads the pipe. */
void signals_end_if_unread(void);
/* Ends the process by SIGINT if that was caught, so that a shell stops its script; to be called after
 * everything is saved. After SIGTERM it returns: the exit status is INTERRUPTED, the same number. */
void signals_finish(void);

#endif
