/* Protobuf's wire format (protobuf.dev, "Encoding"): a field is a varint tag, number * 8 + wire type,
 * then a varint, 4 or 8 bytes, or a varint length and as many bytes. Invariant: start <= p <= end, and
 * nothing at or behind `end` is read; every length is compared with what is left before it is used. */
#include "text/protobuf.h"

#include <string.h>

static Status broken(const Protobuf *m, const unsigned char *at, const char *what, Error *e)
{
    return error_set(e, BAD_INPUT, "%s: not a protobuf: byte %lld: %s", m->path, (long long)(at - m->start),
                     what);
}

/* Seven bits a byte, the lowest first; the last byte has its high bit clear. At most ten bytes. */
static Status read_varint(Protobuf *m, uint64_t *value, Error *e)
{
    const unsigned char *at = m->p;
    *value = 0;
    for (int shift = 0; e->status == OK; shift += 7) {
        if (m->p == m->end)
            return broken(m, at, "the message ends within a number", e);
        unsigned char b = *m->p;
        m->p++;
        if (shift == 63 && b > 1)
            return broken(m, at, "a number of more than 64 bits", e);
        *value |= (uint64_t)(b & 0x7F) << shift;
        if (!(b & 0x80))
            return e->status;
    }
    return e->status;
}

static Status read_fixed(Protobuf *m, size_t count, uint64_t *value, Error *e)
{
    if (e->status == OK && (size_t)(m->end - m->p) < count)
        broken(m, m->p, "the message ends within a number", e);
    if (e->status != OK)
        return e->status;
    *value = 0;
    for (size_t i = 0; i < count; i++)
        *value |= (uint64_t)m->p[i] << 8 * i;
    m->p += count;
    return OK;
}

static Status read_bytes(Protobuf *m, ProtobufField *f, Error *e)
{
    const unsigned char *at = m->p;
    uint64_t count;
    if (read_varint(m, &count, e) != OK)
        return e->status;
    if (count > (uint64_t)(m->end - m->p))
        return broken(m, at, "a length that goes beyond the end of the message", e);
    f->data = m->p;
    f->count = (size_t)count;
    m->p += count;
    return OK;
}

bool protobuf_next(Protobuf *m, ProtobufField *f, Error *e)
{
    const unsigned char *at = m->p;
    uint64_t tag;
    *f = (ProtobufField){0};
    if (e->status != OK || m->p == m->end || read_varint(m, &tag, e) != OK)
        return false;
    if (tag >> 3 == 0 || tag >> 32)
        return broken(m, at, "a field number that is not allowed", e) == OK;
    f->number = (uint32_t)(tag >> 3);
    f->wire = (Wire)(tag & 7);
    switch (tag & 7) {
    case WIRE_VARINT: return read_varint(m, &f->value, e) == OK;
    case WIRE_64: return read_fixed(m, 8, &f->value, e) == OK;
    case WIRE_BYTES: return read_bytes(m, f, e) == OK;
    case WIRE_32: return read_fixed(m, 4, &f->value, e) == OK;
    }
    return broken(m, at, "a field of an unknown wire type", e) == OK;
}

static Status want(const Protobuf *m, const ProtobufField *f, const char *name, Wire wire, Error *e)
{
    return f->wire == wire ? e->status
                           : error_set(e, BAD_INPUT, "%s: %s: wanted wire type %d, found %d", m->path, name,
                                       (int)wire, (int)f->wire);
}

Status protobuf_message(const Protobuf *m, const ProtobufField *f, const char *name, Protobuf *inner,
                        Error *e)
{
    if (want(m, f, name, WIRE_BYTES, e) == OK)
        *inner = (Protobuf){m->path, m->start, f->data, f->data + f->count};
    else
        *inner = (Protobuf){m->path, m->start, m->end, m->end};
    return e->status;
}

Status protobuf_bytes(const Protobuf *m, const ProtobufField *f, const char *name, const char **bytes,
                      size_t *count, Error *e)
{
    if (want(m, f, name, WIRE_BYTES, e) == OK) {
        *bytes = (const char *)f->data;
        *count = f->count;
    }
    return e->status;
}

Status protobuf_integer(const Protobuf *m, const ProtobufField *f, const char *name, uint64_t *value,
                        Error *e)
{
    if (want(m, f, name, WIRE_VARINT, e) == OK)
        *value = f->value;
    return e->status;
}

Status protobuf_bool(const Protobuf *m, const ProtobufField *f, const char *name, bool *value, Error *e)
{
    if (want(m, f, name, WIRE_VARINT, e) == OK)
        *value = f->value != 0;
    return e->status;
}

Status protobuf_float(const Protobuf *m, const ProtobufField *f, const char *name, float *value, Error *e)
{
    if (want(m, f, name, WIRE_32, e) != OK)
        return e->status;
    uint32_t bits = (uint32_t)f->value;
    memcpy(value, &bits, sizeof bits);
    return OK;
}
