/* A copy of a model folder, made of links, in which a file can be changed. Failures end the running test. */
#ifndef MPA_TESTS_MODEL_FOLDER_H
#define MPA_TESTS_MODEL_FOLDER_H

#include <stddef.h>

enum { MODEL_FOLDER = 64 };

/* A new folder below /tmp with links to the files of `source`; its name goes to folder[MODEL_FOLDER]. folder_remove (base/file.h) removes it. */
void model_folder_make(char *folder, const char *source);
/* Replaces a file of it. */
void model_folder_write(const char *folder, const char *file, const char *text, size_t count);
/* Sets the field `path` ("a.b" for one of an object) of the JSON file `file` to the JSON `value`; NULL removes it. */
void model_folder_change(const char *folder, const char *source, const char *file, const char *path, const char *value);

#endif
