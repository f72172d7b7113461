/* Merge rules by cutting tokens. Every symbol that merging meets is a token or one of the characters
 * that it starts from, so the rules for all pairs of those are all that can apply: bpe_merge with them
 * does what looking up the joined bytes at each step would do. */
#include "text/split_rules.h"

typedef struct {
    Merges *merges; /* NULL: only count */
    const Vocabulary *vocabulary;
    SymbolOf *symbol;
    const void *context;
    int64_t count;
} Splits;

static void cut_token(Splits *s, int32_t id, int32_t rank)
{
    const Token *token = s->vocabulary->token + id;
    const char *bytes = s->vocabulary->bytes.data + token->first;
    size_t length = (size_t)token->length;
    for (size_t cut = 1; cut < length; cut++) {
        int32_t left = s->symbol(s->context, bytes, cut);
        int32_t right = left < 0 ? -1 : s->symbol(s->context, bytes + cut, length - cut);
        if (right < 0)
            continue;
        s->count++;
        if (s->merges)
            merges_add(s->merges, left, right, rank, id);
    }
}

static void cut_tokens(Splits *s, const int32_t *rank)
{
    for (int64_t id = 0; id < s->vocabulary->size; id++)
        if (rank[id] >= 0)
            cut_token(s, (int32_t)id, rank[id]);
}

Status split_rules(Merges *m, const Vocabulary *v, const int32_t *rank, SymbolOf *symbol, const void *context,
                   Error *e)
{
    Splits s = {.vocabulary = v, .symbol = symbol, .context = context};
    if (e->status != OK)
        return e->status;
    cut_tokens(&s, rank);
    if (merges_init(m, s.count, e) != OK)
        return e->status;
    s.merges = m;
    cut_tokens(&s, rank);
    return OK;
}
