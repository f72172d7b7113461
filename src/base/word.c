/* Short strings. The distance is Levenshtein's, by Wagner and Fischer's recurrence
 *
 *   D[i,j] = min(D[i-1,j] + 1, D[i,j-1] + 1, D[i-1,j-1] + (a[i] != b[j])),  D[i,0] = i, D[0,j] = j
 *
 * with one row kept: row[j] is D[i,j] up to the present j, and D[i-1,j] beyond it. */
#include "base/word.h"

#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the last strlen(ending) bytes of text start; NULL when it has fewer. */
static const char *tail(const char *text, const char *ending)
{
    size_t n = strlen(text);
    size_t m = strlen(ending);
    return n < m ? NULL : text + n - m;
}

bool ends_with(const char *text, const char *ending)
{
    const char *end = tail(text, ending);
    return end && !strcmp(end, ending);
}

bool ends_with_any_case(const char *text, const char *ending)
{
    const char *end = tail(text, ending);
    if (!end)
        return false;
    for (; *ending; end++, ending++)
        if (tolower((unsigned char)*end) != tolower((unsigned char)*ending))
            return false;
    return true;
}

int64_t edit_distance(const int32_t *a, int64_t n, const int32_t *b, int64_t m, int64_t *row)
{
    for (int64_t j = 0; j <= m; j++)
        row[j] = j;
    for (int64_t i = 1; i <= n; i++) {
        int64_t diagonal = row[0]; /* D[i-1,j-1] */
        row[0] = i;
        for (int64_t j = 1; j <= m; j++) {
            int64_t changed = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_i64(changed, min_i64(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

enum { MAX_WORD = 40 };

/* The bytes of a word; their count, or -1 where the word is longer than MAX_WORD. */
static int64_t word_bytes(int32_t bytes[MAX_WORD], const char *word)
{
    size_t n = strlen(word);
    if (n > MAX_WORD)
        return -1;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)word[i];
    return (int64_t)n;
}

const char *nearest_word(const char *word, const char *const *words)
{
    const char *best = NULL;
    int32_t a[MAX_WORD], b[MAX_WORD];
    int64_t row[MAX_WORD + 1];
    int64_t limit = 3;
    int64_t n = word_bytes(a, word);
    for (; *words && n >= 0; words++) {
        int64_t m = word_bytes(b, *words);
        int64_t d = m < 0 ? limit : edit_distance(a, n, b, m, row);
        if (d < limit && d < m) {
            limit = d;
            best = *words;
        }
    }
    return best;
}

bool parse_integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return *text && !*end && !errno && !isspace((unsigned char)*text);
}

bool parse_real(const char *text, double *value)
{
    char *end;
    *value = strtod(text, &end);
    return *text && !*end && !isspace((unsigned char)*text) && isfinite(*value);
}
