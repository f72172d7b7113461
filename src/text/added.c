/* Added tokens. Those with the same first byte are a chain, so that a position of the text is
 * compared only with the few that can start there. */
#include "text/added.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

void added_init(AddedTokens *a, bool (*is_space)(int32_t))
{
    *a = (AddedTokens){.is_space = is_space};
    for (int b = 0; b < 256; b++)
        a->first[b] = -1;
}

void added_free(AddedTokens *a)
{
    for (int64_t i = 0; i < a->count; i++)
        free(a->token[i].content);
    free(a->token);
    *a = (AddedTokens){0};
}

static bool has_room(AddedTokens *a, Error *e)
{
    if (a->count < a->capacity)
        return e->status == OK;
    int64_t capacity = 2 * a->capacity + 16;
    Added *token = memory_grow(a->token, capacity, sizeof *token, e);
    if (!token)
        return false;
    a->token = token;
    a->capacity = capacity;
    return true;
}

Status added_add(AddedTokens *a, Added token, const char *content, Error *e)
{
    if (!has_room(a, e))
        return e->status;
    token.content = memory_copy(content, e);
    if (!token.content)
        return e->status;
    int32_t *first = a->first + (unsigned char)*content;
    token.length = strlen(content);
    token.next = *first;
    *first = (int32_t)a->count;
    a->token[a->count] = token;
    a->count++;
    return OK;
}

Added *added_find(const AddedTokens *a, const char *content)
{
    for (int32_t i = a->first[(unsigned char)*content]; i >= 0; i = a->token[i].next)
        if (!strcmp(a->token[i].content, content))
            return a->token + i;
    return NULL;
}

const Added *added_of(const AddedTokens *a, int32_t id)
{
    for (int64_t i = 0; i < a->count; i++)
        if (a->token[i].id == id)
            return a->token + i;
    return NULL;
}

static bool is_word(int32_t code)
{
    return code == '_' || unicode_is_letter(code) || unicode_is_number(code);
}

/* Where the code point that ends at p starts (start < p). */
static const char *step_back(const char *start, const char *p)
{
    p--;
    while (p > start && ((unsigned char)*p & 0xC0) == 0x80)
        p--;
    return p;
}

/* The code point that ends at p. */
static int32_t code_before(const char *start, const char *p)
{
    int used;
    return utf8_decode(step_back(start, p), p, &used);
}

static bool stands_alone(const char *start, const char *p, const char *after, const char *end)
{
    int used;
    return (p == start || !is_word(code_before(start, p))) &&
           (after == end || !is_word(utf8_decode(after, end, &used)));
}

/* The longest added token of the wanted kind that starts at p; NULL: none. */
static const Added *added_at(const AddedTokens *a, const char *start, const char *p, const char *end,
                             bool normalized)
{
    const Added *best = NULL;
    for (int32_t i = a->first[(unsigned char)*p]; i >= 0; i = a->token[i].next) {
        const Added *k = a->token + i;
        if (k->normalized == normalized && k->length <= (size_t)(end - p) &&
            !memcmp(k->content, p, k->length) && (!best || k->length > best->length) &&
            (!k->single_word || stands_alone(start, p, p + k->length, end)))
            best = k;
    }
    return best;
}

static const char *without_spaces_before(const AddedTokens *a, const char *start, const char *p)
{
    while (p > start && a->is_space(code_before(start, p)))
        p = step_back(start, p);
    return p;
}

static const char *without_spaces_after(const AddedTokens *a, const char *p, const char *end)
{
    int used = 0;
    while (p < end && a->is_space(utf8_decode(p, end, &used)))
        p += used;
    return p;
}

Status added_cut(const AddedTokens *a, Encoding *g, const char *text, size_t count, bool normalized,
                 EncodeText *plain, Error *e)
{
    const char *end = text + count;
    const char *done = text; /* up to here the text is encoded */
    const char *p = text;
    while (p < end && e->status == OK) {
        const Added *k = added_at(a, text, p, end, normalized);
        if (!k) {
            p++;
            continue;
        }
        const char *last = k->lstrip ? without_spaces_before(a, done, p) : p;
        if (last > done)
            plain(g, done, (size_t)(last - done), e);
        ids_add(g->ids, k->id, e);
        p += k->length;
        if (k->rstrip)
            p = without_spaces_after(a, p, end);
        done = p;
    }
    if (e->status == OK && done < end)
        plain(g, done, (size_t)(end - done), e);
    return e->status;
}
