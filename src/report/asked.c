/* What the aligned student says now to questions of the training: asked once, and kept in the run's journal as any
 * answer. */
#include "report/record.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/pictures.h"
#include "job/answerer.h"
#include "mpa/result.h"

#include <stdlib.h>

/* Adds the question of an audit's line, where it has one and its picture is there. */
static Status add_question(const Job *j, Questions *q, int64_t row, const json_t *line, Error *e)
{
    const PictureSource pictures = picture_source_data(&j->config);
    PictureFaults faults = {0};
    Error why = {0};
    if (!text_in(line, "question") || !text_in(line, "image_path") || e->status != OK)
        return e->status;
    char *file = picture_file(&pictures, text_in(line, "image_path"), &faults, &why);
    if (file)
        questions_add(q, row, json_object_get(line, "question_id"), file, text_in(line, "question"),
                      j->config.identify.suffix, NULL, e);
    picture_faults_end(&faults, &pictures, &why);
    if (why.status == NO_MEMORY)
        error_take(e, &why);
    return e->status;
}

json_t *aligned_answers(const Job *j, const json_t *audit, const json_t *ids, Error *e)
{
    const int64_t n = (int64_t)json_array_size(ids);
    const ResultState state = result_state(j, RESULT_ALIGNED, NULL, e);
    json_t *said = json_object();
    Questions q = {0};
    char *folder = job_path(j, result_name[RESULT_ALIGNED], e);
    if (folder && file_is_folder(folder) && (state == STATE_TRUE || state == STATE_BY_HAND)) {
        Answerer aligned = answerer_model(j, folder, "explain", j->config.identify.max_new_tokens);
        char **words = memory_new(n, sizeof *words, e);
        for (int64_t i = 0; i < n && e->status == OK; i++) {
            const char *id = json_string_value(json_array_get(ids, (size_t)i));
            add_question(j, &q, i, json_object_get(audit, id), e);
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
