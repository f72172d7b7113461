/* Base64 (RFC 4648): bytes as text. */
#ifndef MPA_BASE_BASE64_H
#define MPA_BASE_BASE64_H

#include "base/text.h"

/* Appends the bytes, three in four characters, the last ones filled up with '='. */
Status base64_add(Text *out, const void *bytes, size_t count, Error *e);

#endif
