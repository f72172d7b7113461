/* `mpa tokenize`: text to token ids and back. */
#ifndef MPA_COMMAND_TOKENIZE_H
#define MPA_COMMAND_TOKENIZE_H

#include "base/text.h"

/* Text to a JSON array of ids and a line end, or (decode) such an array to text, special tokens
 * kept, nothing added. Needs FOLDER/tokenizer.json alone. */
Status tokenize_text(const char *folder, bool decode, const char *input, size_t count, Text *output,
                     Error *e);

#endif
