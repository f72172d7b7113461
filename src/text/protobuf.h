/* Reading messages in protobuf's wire format, one field after another. */
#ifndef MPA_TEXT_PROTOBUF_H
#define MPA_TEXT_PROTOBUF_H

#include "base/error.h"

/* A message, or what is left of it: bytes of a file, borrowed. */
typedef struct {
    const char *path;           /* for messages */
    const unsigned char *start; /* of the file, for offsets in messages */
    const unsigned char *p, *end;
} Protobuf;

typedef enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 } Wire;

typedef struct {
    uint32_t number;
    Wire wire;
    uint64_t value;            /* WIRE_VARINT, WIRE_64, WIRE_32 */
    const unsigned char *data; /* WIRE_BYTES: [count] */
    size_t count;
} ProtobufField;

/* The next field; false at the end of the message and after a failure: bytes that are no field, or
 * a field that goes beyond the end of its message, are BAD_INPUT. */
bool protobuf_next(Protobuf *m, ProtobufField *f, Error *e);

/* The value of a field, which is called `name` in messages; another wire type is BAD_INPUT. */
Status protobuf_message(const Protobuf *m, const ProtobufField *f, const char *name, Protobuf *inner,
                        Error *e);
Status protobuf_bytes(const Protobuf *m, const ProtobufField *f, const char *name, const char **bytes,
                      size_t *count, Error *e);
Status protobuf_integer(const Protobuf *m, const ProtobufField *f, const char *name, uint64_t *value,
                        Error *e);
Status protobuf_bool(const Protobuf *m, const ProtobufField *f, const char *name, bool *value, Error *e);
Status protobuf_float(const Protobuf *m, const ProtobufField *f, const char *name, float *value, Error *e);

#endif
