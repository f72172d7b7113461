/* Chat templates. They are programs, which we do not run: a checkpoint's template is recognised by
 * a hash of its text, and each family writes the chat text of the templates that it knows. */
#ifndef MPA_TEXT_CHAT_TEMPLATE_H
#define MPA_TEXT_CHAT_TEMPLATE_H

#include "base/error.h"

/* Looks for a template in FOLDER (chat_template.json, chat_template.jinja, tokenizer_config.json).
 * known: the hashes (chat_template_hash) of templates that are known for `model_type`, 0 at the
 * end. warning[size] becomes "" when there is no template or a known one, else a sentence that
 * names the file. BAD_INPUT: a file that is no valid JSON. */
Status chat_template_check(const char *folder, const char *model_type, const uint64_t *known, char *warning,
                           size_t size, Error *e);
/* FNV-1a of a template's text without the white space around it. */
uint64_t chat_template_hash(const char *text);

#endif
