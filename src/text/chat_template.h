/* Chat templates. They are programs, which we do not run: a checkpoint's template is recognised
 * by a hash of its text, and each family writes the chat text of the templates known for it. */
#ifndef MPA_TEXT_CHAT_TEMPLATE_H
#define MPA_TEXT_CHAT_TEMPLATE_H

#include "base/error.h"

/* Looks for a template in FOLDER (chat_template.json, chat_template.jinja,
 * tokenizer_config.json). `warning` (of `size` bytes) becomes "" when there is none or it is
 * known for the family, else a sentence that names the file. BAD_INPUT: a file that is no valid
 * JSON. */
Status chat_template_check(const char *folder, const char *family, char *warning, size_t size, Error *e);

#endif
