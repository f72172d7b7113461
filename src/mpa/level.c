/* Stage 3, parity leveler: the student is fine-tuned on the kept pairs only. Reads parity.json,
 * writes metrics.jsonl, timings.jsonl and aligned/. */
#include "base/file.h"
#include "base/folder.h"
#include "base/hash.h"
#include "base/number.h"
#include "job/fingerprint.h"
#include "job/run_folder.h"
#include "tensor/gemm.h"
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pairs with what they own. */
typedef struct {
    Question *pair;
    char **file, **question, **id; /* [count] */
    int64_t count;
    Json source;
} Lessons;

static void lessons_free(Lessons *l)
{
    names_free(l->file, l->file ? l->count : 0);
    names_free(l->question, l->question ? l->count : 0);
    names_free(l->id, l->id ? l->count : 0);
    free(l->pair);
    json_close(&l->source);
    *l = (Lessons){0};
}

/* The human's words without the picture's mark and the line ends around it. Owned. */
static char *question_of(const char *value, Error *e)
{
    static const char mark[] = "<image>";
    const char *at = strstr(value, mark);
    if (!at)
        return memory_copy(value, e);
    const char *before = at, *after = at + strlen(mark);
    before -= before > value && before[-1] == '\n';
    after += *after == '\n';
    Text t = {0};
    text_format(&t, e, "%.*s%s", (int)(before - value), value, after);
    return t.data;
}

/* What `from` says in the entry's conversation; NULL: nothing. */
static const char *said_by(const json_t *o, const char *from)
{
    const json_t *list = json_object_get(o, "conversations"), *turn;
    size_t i;
    json_array_foreach(list, i, turn)
    {
        const char *who = json_string_value(json_object_get(turn, "from"));
        if (who && !strcmp(who, from))
            return json_string_value(json_object_get(turn, "value"));
    }
    return NULL;
}

static Status read_lesson(const Stage *s, Lessons *l, size_t i, Error *e)
{
    const json_t *o = json_array_get(l->source.root, i), *id = json_object_get(o, "id");
    const char *image = json_string_value(json_object_get(o, "image")), *human = said_by(o, "human"),
               *gpt = said_by(o, "gpt");
    Text name = {0};
    bool missing = false;
    if (!image || !human || !gpt || (!json_is_integer(id) && !json_is_string(id)))
        return error_set(e, BAD_INPUT,
                         "%s: entry %zu: wanted id, image, and conversations of a human and a gpt",
                         l->source.path, i);
    char *file = picture_file(&s->config, false, image, &missing, e);
    if (missing) {
        log_warning(&s->log, "%s: is missing; the pair is left out", image);
        return OK;
    }
    l->file[l->count] = file;
    l->question[l->count] = question_of(human, e);
    if (id_text(&name, id, e))
        l->id[l->count] = name.data;
    l->pair[l->count] = (Question){.images = (const char *const *)&l->file[l->count],
                                   .n_images = 1,
                                   .text = l->question[l->count],
                                   .answer = gpt,
                                   .id = l->id[l->count]};
    l->count++;
    return e->status;
}

static Status read_lessons(const Stage *s, Lessons *l, Error *e)
{
    char *path = stage_path(s, "parity.json", e);
    if (path && !file_exists(path))
        error_set(e, BAD_USAGE, "%s: there are no kept pairs yet; run `mpa identify` first", path);
    if (e->status == OK && stage_read_list(&l->source, path, e) == OK) {
        int64_t n = (int64_t)json_array_size(l->source.root);
        l->pair = memory_new(n, sizeof *l->pair, e);
        l->file = memory_new(n, sizeof *l->file, e);
        l->question = memory_new(n, sizeof *l->question, e);
        l->id = memory_new(n, sizeof *l->id, e);
        for (int64_t i = 0; i < n && e->status == OK; i++)
            read_lesson(s, l, (size_t)i, e);
        if (e->status == OK && !l->count)
            error_set(e, FAILED,
                      "%s: holds no pairs, so there is nothing to learn: the teacher knows nothing that the "
                      "student does not",
                      path);
    }
    free(path);
    return e->status;
}

static TrainOptions read_options(const Config *c)
{
    const LevelConfig *l = &c->level;
    return (TrainOptions){*l,
                          (uint64_t)c->run.seed,
                          {l->min_pixels ? l->min_pixels : c->image.min_pixels,
                           l->max_pixels ? l->max_pixels : c->image.max_pixels, c->image.published}};
}

/* What must be the same to resume: pairs, settings, student, arithmetic. */
static Status describe(const Stage *s, const Lessons *l, Text *out, Error *e)
{
    uint64_t h = HASH_START, model = fingerprint_model(s->config.student.model, e);
    for (int64_t i = 0; i < l->count; i++) {
        const char *const parts[] = {l->id[i], l->file[i], l->question[i], l->pair[i].answer};
        int64_t size = file_size(l->file[i]);
        for (int k = 0; k < 4; k++)
            h = hash_text(h, parts[k]);
        h = hash_bytes(h, &size, sizeof size);
    }
    text_format(out, e, "%lld pairs %016llx; student %016llx; seed %lld", (long long)l->count,
                (unsigned long long)h, (unsigned long long)model, (long long)s->config.run.seed);
    config_training(&s->config, out, e);
    text_format(out, e, "; %s", gemm_description());
    return e->status;
}

/* Fine-tuning must fit into memory with one micro-batch of samples like the first and every
 * block recomputed: less is impossible. */
static Status check_memory(const Stage *s, const Vlm *vlm, const Lessons *l, const TrainOptions *o, Error *e)
{
    Question first = l->pair[0];
    first.id = NULL; /* the check names no pair */
    ChatOptions chat = {o->level.chat_newline};
    Samples samples;
    if (samples_load(&samples, vlm, &first, 1, &o->pictures, &chat, e) == OK) {
        int64_t micro = min_i64(o->level.micro_batch, l->count);
        int64_t need = train_bytes(vlm, micro * samples.sample->count, micro * samples.picture->tokens, true);
        stage_check_memory(s, need, "fine-tuning", e);
    }
    samples_free(&samples);
    return e->status;
}

static void show_step(void *user, int64_t step, int64_t steps, double loss, int64_t tokens)
{
    char note[60];
    (void)steps;
    snprintf(note, sizeof note, "loss %.4f, %lld tokens", loss, (long long)tokens);
    progress_show(user, step, note);
}

/* The type of the weights to write: the configuration's, else what most of the student's are
 * stored as. */
static Dtype output_type(const Config *c, const Vlm *vlm)
{
    int64_t wide = 0, all = 0;
    if (c->level.dtype == DTYPE_FLOAT32)
        return F32;
    if (c->level.dtype == DTYPE_BFLOAT16)
        return BF16;
    for (int64_t i = 0; i < vlm->checkpoint.params; i++) {
        wide += vlm->checkpoint.param[i]->stored == F32 ? vlm->checkpoint.param[i]->count : 0;
        all += vlm->checkpoint.param[i]->count;
    }
    return 2 * wide > all ? F32 : vlm->checkpoint.params ? vlm->checkpoint.param[0]->stored : F32;
}

static Status train_student(const Stage *s, const Lessons *l, Error *e)
{
    Vlm vlm;
    Progress progress;
    Text print = {0};
    TrainOptions o = read_options(&s->config);
    char *state = stage_path(s, "level.state", e), *metrics = stage_path(s, "metrics.jsonl", e),
         *timings = stage_path(s, "timings.jsonl", e);
    char *aligned = stage_path(s, "aligned", e);
    Status status = e->status == OK ? stage_open_model(s, &vlm, s->config.student.model, e) : e->status;
    bool open = status == OK;
    if (status == OK)
        status = describe(s, l, &print, e);
    if (status == OK)
        status = check_memory(s, &vlm, l, &o, e);
    int64_t steps = train_steps(&o.level, l->count);
    if (status == OK)
        log_info(&s->log, "level: %lld pairs, %lld steps", (long long)l->count, (long long)steps);
    progress_begin(&progress, &s->log, "level", 0, steps);
    TrainFiles files = {state, metrics, timings, print.data, s->stop, show_step, &progress};
    if (status == OK)
        status = train(&vlm, l->pair, l->count, &o, &files, e);
    if (status == OK)
        status = save_checkpoint(&vlm, aligned, output_type(&s->config, &vlm), e);
    if (status == OK)
        status = train_state_remove(state, e);
    if (open)
        vlm_close(&vlm);
    text_free(&print);
    free(state);
    free(metrics);
    free(timings);
    free(aligned);
    return status;
}

Status stage_level(Stage *s, Error *e)
{
    Lessons l = {0};
    if (stage_has(s, "aligned")) {
        char *state = stage_path(s, "level.state", e);
        /* a kill may have come just before it */
        Status status = state ? train_state_remove(state, e) : NO_MEMORY;
        free(state);
        log_info(&s->log, "level: aligned/ is there already");
        return status;
    }
    if (config_require(&s->config, &s->config.student.model, e) != OK)
        return e->status;
    Status status = read_lessons(s, &l, e);
    if (status == OK)
        status = train_student(s, &l, e);
    lessons_free(&l);
    return status;
}
