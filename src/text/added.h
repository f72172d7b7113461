/* Added tokens: strings that are cut out of a text before anything else looks at it. */
#ifndef MPA_TEXT_ADDED_H
#define MPA_TEXT_ADDED_H

#include "base/table.h"
#include "text/bpe.h"
#include "text/ids.h"
#include "text/tokenizer.h"

typedef struct {
    char *content; /* owned by the list */
    size_t length;
    int32_t id;
    bool special, normalized, lstrip, rstrip, single_word;
    bool
        listed; /* transformers' slow classes: one of the names that tokenizer_config.json lists as special */
    bool apart; /* the same classes: decoding makes it an item of its own */
} Added;

/* Owned: added_free. A zeroed one may be freed; added_init makes it an empty list. */
typedef struct {
    Added *token; /* [count] */
    int64_t count, capacity;
    Table ids;    /* from id to number in `token` */
    Table edge;   /* of the tree of contents: from node and byte to node; node 0 is its root */
    int32_t *end; /* [nodes] the token whose content ends at the node; -1: none */
    int64_t nodes, nodes_capacity;
    bool (*is_space)(int32_t); /* what lstrip and rstrip delete */
} AddedTokens;

void added_init(AddedTokens *a, bool (*is_space)(int32_t));
void added_free(AddedTokens *a);

/* Adds a copy of `token` with this content, which is not empty and not in the list. `length` is
 * filled in. */
Status added_add(AddedTokens *a, Added token, const char *content, Error *e);
/* By content, by id; NULL: none. Borrowed, until the next added_add. */
Added *added_find(const AddedTokens *a, const char *content);
const Added *added_of(const AddedTokens *a, int32_t id);

/* One call of tokenizer_encode: where its ids go, and memory for merging. */
typedef struct {
    const Tokenizer *tokenizer;
    Ids *ids;
    BpeWork work;
} Encoding;

typedef Status EncodeText(Encoding *g, const char *text, size_t count, Error *e);

/* Cuts the added tokens of one kind (those whose `normalized` is the wanted one) out of the text,
 * the leftmost first, of those at one position the longest. What lies between them goes to `plain`,
 * unless it is empty. */
Status added_cut(const AddedTokens *a, Encoding *g, const char *text, size_t count, bool normalized,
                 EncodeText *plain, Error *e);

#endif
