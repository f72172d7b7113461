/* Text from strangers on its way to a terminal. */
#ifndef MPA_BASE_PRINTABLE_H
#define MPA_BASE_PRINTABLE_H

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"

/* In place, and never longer: '?' for each control character of ASCII (but line end and tab, if `lines`), C1
 * control character, mark that turns the direction of writing, line separator, and byte that is no UTF-8. */
void make_printable(char *text, bool lines);
/* Whether a code point is one of these marks or control characters, line end and tab among them. */
bool code_acts(int32_t code);

/* printf to a stream that may be a terminal: what is formatted is made printable, lines kept. All that the
 * program writes goes through these and command_print (tests/rooms/output_test.sh). */
void printable_printf(FILE *to, const char *format, ...) PRINTF_LIKE(2, 3);
void output(const char *format, ...) PRINTF_LIKE(1, 2); /* to standard output */
void printable_vprintf(FILE *to, const char *format, va_list args) PRINTF_LIKE(2, 0);

#endif
