/* FNV-1a: h = (h xor unit) * prime for each unit, a byte or a word (Fowler, Noll and Vo). */
#include "base/hash.h"

#include "base/bytes.h"

#include <string.h>

static const uint64_t prime = UINT64_C(0x100000001B3);

uint64_t hash_bytes(uint64_t h, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < count; i++)
        h = (h ^ p[i]) * prime;
    return h;
}

uint64_t hash_text(uint64_t h, const char *text)
{
    return hash_bytes(h, text, strlen(text) + 1);
}

uint64_t hash_words(uint64_t h, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    size_t words = count / 8;
    if (!count) /* bytes may be NULL */
        return h;
    for (size_t i = 0; i < words; i++) {
        h = (h ^ load_u64(p + 8 * i)) * prime;
        h ^= h >> 32;
    }
    return hash_bytes(h, p + 8 * words, count % 8);
}

void hash_stream_add(HashStream *s, const void *bytes, size_t count)
{
    const unsigned char *p = bytes;
    while (count && s->count) { /* completes the word that was begun */
        s->rest[s->count % 8] = *p;
        s->count = (s->count + 1) % 8;
        p++;
        count--;
        if (!s->count)
            s->hash = hash_words(s->hash, s->rest, 8);
    }
    const size_t whole = count - count % 8;
    s->hash = hash_words(s->hash, p, whole);
    if (count > whole)
        memcpy(s->rest, p + whole, count - whole);
    s->count += count - whole;
}

uint64_t hash_stream_end(const HashStream *s)
{
    return hash_words(s->hash, s->rest, s->count);
}
