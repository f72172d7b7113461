/* Entries {id, image, conversations: [{from, value}, ...]}: image is a path, a list of them, or absent; turns
 * of human and gpt alternate, and each answer is learned. A mark <image> in a human's words stands for the
 * next picture; there are as many as pictures. Beside a mark one line end on each side belongs to it (the
 * published trainer: \n?<image>\n?). */
#include "mpa/kept.h"

#include "base/file.h"
#include "base/hash.h"
#include "data/items.h"
#include "data/pictures.h"
#include "job/fingerprint.h"
#include "mpa/audit.h"
#include "mpa/depends.h"
#include "mpa/holdout.h"
#include "mpa/pairs.h"

#include <stdlib.h>
#include <string.h>

static const char mark[] = "<image>";

/* What is being read. */
typedef struct {
    const Job *job;
    Kept *kept;
    size_t entry;
    const json_t *object;
    const char **image; /* [images], in the arena: files of the entry's pictures */
    int64_t images;
    int64_t used; /* how many of them marks have taken */
    PictureFaults *faults;
    Error *error;
} Reader;

static Status wrong(const Reader *r, const char *what)
{
    Text id = {0};
    Error ignored = {0};
    json_t *given = json_object_get(r->object, "id");
    if (id_is(given))
        id_text(&id, given, &ignored);
    error_set(r->error, BAD_INPUT, "%s: entry %zu (id %.60s): %s", r->kept->source.path, r->entry,
              id.count ? id.data : "none", what);
    text_free(&id);
    return r->error->status;
}

/* ---------------------------------------------------------------------------------------- pictures */

/* The file of one picture; *missing: it is not there or cannot be read, and such pairs are left out. */
static const char *find_picture(const Reader *r, const json_t *image, bool *missing)
{
    const PictureSource source = picture_source_data(&r->job->config);
    const char *path = json_string_value(image);
    if (!path) {
        wrong(r, "image: wanted a path, or a list of paths");
        return NULL;
    }
    char *file = picture_file(&source, path, r->faults, r->error);
    *missing = !file && r->error->status == OK;
    const char *copy = file ? arena_copy(&r->kept->arena, file, r->error) : NULL;
    if (*missing)
        picture_faults_show(r->faults, &r->job->log, "level");
    free(file);
    return copy;
}

/* Room for the files of the entry's pictures. */
static Status count_pictures(Reader *r)
{
    const json_t *image = json_object_get(r->object, "image");
    const bool none = !image || json_is_null(image);
    r->images = json_is_array(image) ? (int64_t)json_array_size(image) : none ? 0 : 1;
    r->image = arena_zero(&r->kept->arena, r->images, sizeof *r->image, r->error);
    return r->error->status;
}

/* Their files; *missing as above. */
static Status find_pictures(Reader *r, bool *missing)
{
    const json_t *image = json_object_get(r->object, "image");
    for (int64_t i = 0; i < r->images && r->error->status == OK && !*missing; i++)
        r->image[i] =
            find_picture(r, json_is_array(image) ? json_array_get(image, (size_t)i) : image, missing);
    return r->error->status;
}

/* ------------------------------------------------------------------------------------------- turns */

static int64_t count_marks(const char *text)
{
    int64_t count = 0;
    for (const char *at = strstr(text, mark); at; at = strstr(at + strlen(mark), mark))
        count++;
    return count;
}

/* A copy of text[length] without a line end at either side that belongs to a mark. */
static const char *copy_piece(const Reader *r, const char *text, size_t length, bool after_mark,
                              bool before_mark)
{
    if (after_mark && length && *text == '\n') {
        text++;
        length--;
    }
    length -= before_mark && length && text[length - 1] == '\n';
    char *copy = arena_alloc(&r->kept->arena, (int64_t)length + 1, 1, r->error);
    if (!copy)
        return "";
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

/* The human's words cut at the marks. Where all pictures come first, q->before stays NULL: that form every
 * family takes. */
static Status cut_text(Reader *r, Question *q, const char *value)
{
    const int64_t marks = count_marks(value);
    const char **before = arena_alloc(&r->kept->arena, marks, sizeof *before, r->error);
    bool first = true;
    if (r->error->status != OK || r->used + marks > r->images)
        return wrong(r, "there are more marks <image> than pictures");
    q->images = r->image + r->used;
    q->n_images = marks;
    for (int64_t i = 0; i < marks; i++) {
        const char *end = strstr(value, mark);
        before[i] = copy_piece(r, value, (size_t)(end - value), i > 0, true);
        first &= !*before[i];
        value = end + strlen(mark);
    }
    q->text = copy_piece(r, value, strlen(value), marks > 0, false);
    q->before = first ? NULL : before;
    r->used += marks;
    return r->error->status;
}

/* What turn i of the conversation says, if `from` says it; else NULL. */
static const char *said(const json_t *conversation, size_t i, const char *from, Error *e)
{
    json_t *turn = json_array_get(conversation, i);
    const char *who = json_string_value(json_object_get(turn, "from"));
    return who && !strcmp(who, from) ? value_text(turn, "value", e) : NULL;
}

static Status read_turn(Reader *r, Question *q, const json_t *conversation, size_t i)
{
    const char *human = said(conversation, i, "human", r->error);
    const char *gpt = said(conversation, i + 1, "gpt", r->error);
    if (r->error->status != OK)
        return r->error->status;
    if (!human || !gpt)
        return wrong(r, "wanted conversations: turns {from, value} of human and gpt, one after the other");
    if (strstr(gpt, mark))
        return wrong(r, "an answer holds the mark <image>");
    q->answer = gpt;
    return cut_text(r, q, human);
}

static Status read_turns(Reader *r, Question *first)
{
    const json_t *conversation = json_object_get(r->object, "conversations");
    const size_t turns = json_array_size(conversation);
    Question *q = first;
    read_turn(r, q, conversation, 0);
    for (size_t i = 2; i < turns && r->error->status == OK; i += 2) {
        Question *next = arena_zero(&r->kept->arena, 1, sizeof *next, r->error);
        if (next)
            read_turn(r, next, conversation, i);
        q->next = next;
        q = next;
    }
    if (r->error->status == OK && r->used < r->images)
        wrong(r, "there are more pictures than marks <image>");
    return r->error->status;
}

/* The entry's id as text, in the arena; NULL after a failure. */
static const char *read_id(const Reader *r)
{
    const json_t *id = json_object_get(r->object, "id");
    Text text = {0};
    if (!id_is(id)) {
        wrong(r, "wanted an id, a number or a string");
        return NULL;
    }
    id_text(&text, id, r->error);
    const char *copy = arena_copy(&r->kept->arena, text_string(&text), r->error);
    text_free(&text);
    return copy;
}

/* One entry, appended if it is not held out and its pictures are there. */
static Status read_entry(Reader *r, double held_part)
{
    Question q = {.id = read_id(r)};
    bool missing = false;
    if (r->error->status == OK && held_part > 0 && holdout_has(held_part, q.id)) {
        r->kept->held++;
        return OK;
    }
    count_pictures(r);
    read_turns(r, &q);
    find_pictures(r, &missing);
    if (r->error->status == OK && !missing) {
        r->kept->question[r->kept->count] = q;
        r->kept->count++;
    }
    return r->error->status;
}

/* There is nothing to learn: why, as far as the audit knows. */
static Status no_pairs(const Job *j, const char *path, Error *e)
{
    Text reasons = {0};
    audit_reasons(j, &reasons, e);
    if (e->status == OK)
        error_set(e, FAILED, "%s: holds no pairs, so there is nothing to learn%s%s", path,
                  reasons.count ? ". What became of the annotations: "
                                : ": the teacher was never right where the student was wrong",
                  text_string(&reasons));
    text_free(&reasons);
    return e->status;
}

Status kept_read(Kept *k, const Job *j, Error *e)
{
    const PictureSource source = picture_source_data(&j->config);
    PictureFaults faults = {0};
    *k = (Kept){0};
    arena_init(&k->arena);
    char *path = job_path(j, result_name[RESULT_PARITY], e);
    if (path && !file_exists(path))
        error_set(e, BAD_USAGE, "%s: there are no kept pairs yet; run `mpa identify` first", path);
    job_read_list(&k->source, path, e);
    const size_t entries = json_array_size(k->source.root);
    const double part = holdout_part(j);
    k->question = arena_alloc(&k->arena, (int64_t)entries, sizeof *k->question, e);
    for (size_t i = 0; i < entries && e->status == OK; i++) {
        Reader r = {.job = j,
                    .kept = k,
                    .entry = i,
                    .object = json_array_get(k->source.root, i),
                    .faults = &faults,
                    .error = e};
        read_entry(&r, part);
    }
    picture_faults_end(&faults, &source, e);
    if (k->held)
        log_info(
            &j->log,
            "level: %lld pairs are held out: without evaluate.questions they measure the agreement with the "
            "teacher (evaluate.holdout)",
            (long long)k->held);
    if (e->status == OK && !k->count)
        no_pairs(j, path, e);
    free(path);
    return e->status;
}

void kept_free(Kept *k)
{
    arena_free(&k->arena);
    json_close(&k->source);
    *k = (Kept){0};
}
