/* Merge rules of models that have no list of them: two neighbours merge when their bytes together are
 * a token. */
#ifndef MPA_TEXT_SPLIT_RULES_H
#define MPA_TEXT_SPLIT_RULES_H

#include "text/bpe.h"
#include "text/vocabulary.h"

/* Tokens longer than this are refused by the readers: the rules of one take quadratic time. The
 * longest of public vocabularies has 128 bytes. */
enum { SPLIT_MAX_BYTES = 512 };

/* The symbol with these bytes; -1: none. */
typedef int32_t SymbolOf(const void *context, const char *bytes, size_t count);

/* Initialises *m: for each token with rank[id] >= 0 and each way to cut its bytes in two symbols, the
 * rule that joins them, of that rank. Owned: merges_free. */
Status split_rules(Merges *m, const Vocabulary *v, const int32_t *rank, SymbolOf *symbol, const void *context,
                   Error *e);

#endif
