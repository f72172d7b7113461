/* Errors: what failed, where, what was wanted, what was found, what to do.
 *
 * A function that can fail is handed the caller's Error (never NULL), fills it and returns its
 * status. The first error stays, and whoever is handed a failed Error returns at once and does
 * nothing: so calls follow one another, are checked once after the last, and what was taken is
 * freed at one place. Where a function returns a pointer instead, it is NULL after a failure.
 * Functions that only free or close have no Error and always work.
 * The values are the program's exit statuses. */
#ifndef MPA_BASE_ERROR_H
#define MPA_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
    OK = 0,
    FAILED = 1,        /* the work failed */
    BAD_USAGE = 2,     /* wrong usage or configuration */
    BAD_INPUT = 3,     /* a bad input file: weights, tokenizer, image, data set */
    NO_MEMORY = 4,     /* not enough memory or disk */
    NOT_FINITE = 5,    /* a number that is not finite in training */
    DIFFERENT = 6,     /* `compare` found a difference */
    INTERRUPTED = 130, /* SIGINT or SIGTERM: everything finished so far is on disk */
} Status;

typedef struct {
    Status status; /* OK while nothing failed */
    char text[4000];
    bool arguments; /* the command line itself is wrong, so that how to write it is of help */
} Error;

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* Records a failure unless e already holds one. Returns e's status, so that callers can
 * `return error_set(...)`. The message is made printable (printable.h); what has no room (two paths of any
 * length have) ends in "...". */
Status error_set(Error *e, Status status, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same for a command line that is wrong: BAD_USAGE. */
Status error_arguments(Error *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " in front of the message that e holds; does nothing without one. Returns e's
 * status. */
Status error_prefix(Error *e, const char *format, ...) PRINTF_LIKE(2, 3);

/* Takes over another's failure, if there is one and e holds none. Returns e's status. */
Status error_take(Error *e, const Error *other);

/* The same of a NO_MEMORY alone: for what goes on without a thing that is not there or cannot be read, and must not take one for that which
 * memory was lacking for. */
Status error_take_memory(Error *e, const Error *other);

#endif
