/* Added tokens. Their contents are a tree of bytes: at a position of the text it is followed down as far as
 * the text goes with it, so a text costs no more with many tokens than with few. */
#include "text/added.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <string.h>

void added_init(AddedTokens *a, bool (*is_space)(int32_t))
{
    *a = (AddedTokens){.is_space = is_space};
}

void added_free(AddedTokens *a)
{
    for (int64_t i = 0; i < a->count; i++)
        free(a->token[i].content);
    free(a->token);
    free(a->end);
    table_free(&a->ids);
    table_free(&a->edge);
    *a = (AddedTokens){0};
}

/* From a node down by a byte; -1: no content goes there. */
static int32_t node_below(const AddedTokens *a, int32_t node, char byte)
{
    return table_get(&a->edge, (uint64_t)node << 8 | (unsigned char)byte);
}

/* A new node; -1 after a failure. */
static int32_t node_add(AddedTokens *a, Error *e)
{
    if (e->status == OK && a->nodes == INT32_MAX)
        error_set(e, BAD_INPUT, "the added tokens are too long");
    a->end = memory_reserve(a->end, a->nodes, &a->nodes_capacity, sizeof *a->end, e);
    if (e->status != OK)
        return -1;
    a->end[a->nodes] = -1;
    a->nodes++;
    return (int32_t)(a->nodes - 1);
}

/* The node at the end of the content, made where it is not there. -1 after a failure. */
static int32_t node_of(AddedTokens *a, const char *content, Error *e)
{
    int32_t node = a->nodes ? 0 : node_add(a, e);
    for (; *content && e->status == OK; content++) {
        int32_t below = node_below(a, node, *content);
        if (below < 0) {
            below = node_add(a, e);
            table_set(&a->edge, (uint64_t)node << 8 | (unsigned char)*content, below, e);
        }
        node = below;
    }
    return e->status == OK ? node : -1;
}

Status added_add(AddedTokens *a, Added token, const char *content, Error *e)
{
    a->token = memory_reserve(a->token, a->count, &a->capacity, sizeof *a->token, e);
    const int32_t node = node_of(a, content, e);
    if (table_get(&a->ids, (uint64_t)token.id) < 0)
        table_set(&a->ids, (uint64_t)token.id, (int32_t)a->count, e);
    token.content = memory_copy(content, e);
    if (!token.content)
        return e->status;
    token.length = strlen(content);
    a->end[node] = (int32_t)a->count;
    a->token[a->count] = token;
    a->count++;
    return OK;
}

Added *added_find(const AddedTokens *a, const char *content)
{
    int32_t node = a->nodes ? 0 : -1;
    for (; *content && node >= 0; content++)
        node = node_below(a, node, *content);
    return node >= 0 && a->end[node] >= 0 ? a->token + a->end[node] : NULL;
}

const Added *added_of(const AddedTokens *a, int32_t id)
{
    const int32_t at = table_get(&a->ids, (uint64_t)id);
    return at >= 0 ? a->token + at : NULL;
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
    int32_t node = a->nodes ? 0 : -1;
    for (const char *q = p; q < end && node >= 0; q++) {
        node = node_below(a, node, *q);
        const Added *k = node >= 0 && a->end[node] >= 0 ? a->token + a->end[node] : NULL;
        if (k && k->normalized == normalized && (!k->single_word || stands_alone(start, p, q + 1, end)))
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
