/* What the aligned student says now to questions of the training: asked once, and kept in the run's journal as any
 * answer. */
#include "report/record.h"

#include "base/file.h"
#include "base/memory.h"
#include "job/answerer.h"
#include "mpa/result.h"

#include <stdlib.h>

json_t *aligned_answers(const Job *j, const json_t *audit, const json_t *ids, Error *e)
{
    const int64_t n = (int64_t)json_array_size(ids);
    json_t *said = json_object();
    Questions q = {0};
    char *folder = job_path(j, result_name[RESULT_ALIGNED], e);
    if (folder && file_is_folder(folder) && result_holds(j, RESULT_ALIGNED, e)) {
        Answerer aligned = answerer_model(j, folder, "explain", j->config.identify.max_new_tokens);
        char **words = memory_new(n, sizeof *words, e);
        for (int64_t i = 0; i < n && e->status == OK; i++) {
            const json_t *line = json_object_get(audit, json_string_value(json_array_get(ids, (size_t)i)));
            char *file = record_picture(j, line, e);
            if (file)
                questions_add(&q, i, json_object_get(line, "question_id"), file, text_in(line, "question"),
                              j->config.identify.suffix, NULL, e);
        }
        if (e->status == OK)
            answerer_ask(&aligned, &q, words, e);
        for (int64_t i = 0; words && i < n; i++) {
            if (words[i])
                json_put(said, json_string_value(json_array_get(ids, (size_t)i)), json_string(words[i]), e);
            free(words[i]);
        }
        free(words);
    }
    questions_free(&q);
    free(folder);
    return said;
}
