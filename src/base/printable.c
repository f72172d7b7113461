/* Control characters move the cursor, change the title, answer in the user's name; marks of direction show
 * a text that is not there. Neither reaches a terminal. */
#include "base/printable.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* C1, marks and overrides of direction, separators of lines and paragraphs, invisible operators of tags. */
bool code_acts(int32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x61C || code == 0x200E ||
           code == 0x200F || (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x206F) ||
           code == 0xFEFF || (code >= 0xE0000 && code <= 0xE007F);
}

void make_printable(char *text, bool lines)
{
    const char *end = text + strlen(text);
    const char *from = text;
    char *to = text;
    while (from < end) {
        int used;
        const int32_t code = utf8_decode(from, end, &used);
        const bool kept = lines && (code == '\n' || code == '\t');
        if (code_acts(code) && !kept) {
            *to = '?';
            to++;
        } else {
            memmove(to, from, (size_t)used);
            to += used;
        }
        from += used;
    }
    *to = 0;
}

void printable_vprintf(FILE *to, const char *format, va_list args)
{
    char small[2000];
    va_list again;
    va_copy(again, args);
    const int length = vsnprintf(small, sizeof small, format, args);
    char *large = length >= (int)sizeof small ? malloc((size_t)length + 1) : NULL;
    char *text = large ? large : small; /* without memory: the first part of it */
    if (large)
        vsnprintf(large, (size_t)length + 1, format, again);
    va_end(again);
    if (length >= 0) {
        make_printable(text, true);
        fputs(text, to);
    }
    free(large);
}

void printable_printf(FILE *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printable_vprintf(to, format, args);
    va_end(args);
}

void output(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printable_vprintf(stdout, format, args);
    va_end(args);
}
