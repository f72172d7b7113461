/* One function per kind of input, and one per result that names its inputs. Files of the run folder
 * are read each time, as the run changes them; what lies outside is read once. */
#include "mpa/inputs.h"

#include "base/file.h"
#include "base/hash.h"
#include "data/items.h"
#include "data/prompt.h"
#include "job/fingerprint.h"
#include "mpa/holdout.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------- kinds of inputs */

/* A file of the run folder, or the one that is given in its place. */
static json_t *stage_file(const Job *j, const char *given, Result r, Error *e)
{
    char *path = job_given_or_path(j, given, result_name[r], e);
    json_t *hash = path && file_size(path) >= 0 ? fingerprint_text(file_hash(path, e)) : json_null();
    free(path);
    return hash;
}

/* The seed, where the model of the folder draws its words at random. */
static json_t *sampling(const Job *j, const char *folder, Error *e)
{
    bool samples = false;
    if (file_is_folder(folder))
        vlm_samples(folder, &samples, e);
    return samples ? json_string(config_text(&j->config, "run.seed")) : json_string("none");
}

/* The bytes of some pictures in their order; a picture that is not there counts as empty. */
typedef struct {
    const Job *job;
    PictureSource source;
    uint64_t hash;
    int64_t found;
} Pictures;

/* Whether the picture is there; *hash of its bytes. */
static bool find_picture(Pictures *p, const char *image, uint64_t *hash, Error *e)
{
    PictureFaults faults = {0};
    Error why = {0};
    p->source.unopened = true; /* the stage itself looks at them */
    char *file = picture_file(&p->source, image, &faults, &why);
    const bool there = file != NULL;
    if (there)
        *hash = fingerprint_file(p->job, file, e);
    free(file);
    picture_faults_end(&faults, &p->source, &why);
    error_take_memory(e, &why);
    return there;
}

static void add_picture(Pictures *p, const char *image, Error *e)
{
    const Job *j = p->job;
    Text name = {0}; /* under which its hash is remembered: to find a file takes longer than to compare it */
    text_format(&name, e, "%s\n%s\n%s", p->source.root, p->source.source, image);
    const char *known = json_string_value(json_object_get(j->hashes, text_string(&name)));
    uint64_t one = known ? strtoull(known, NULL, 16) : 0;
    bool there = known != NULL;
    if (!known && e->status == OK)
        there = find_picture(p, image, &one, e);
    if (!known && there && j->hashes)
        json_put(j->hashes, text_string(&name), fingerprint_text(one), e);
    p->found += there;
    p->hash = hash_bytes(p->hash, &one, sizeof one);
    text_free(&name);
}

static json_t *pictures_hash(const Pictures *p)
{
    return p->found ? fingerprint_text(p->hash) : json_null();
}

/* The pictures that the entries of a file name in a field: a string, or a list of them. */
static json_t *pictures_of(const Job *j, const char *given, Result r, const char *field, Error *e)
{
    Pictures p = {j, picture_source_data(&j->config), HASH_START, 0};
    Json list = {0};
    char *path = job_given_or_path(j, given, result_name[r], e);
    if (path && file_exists(path))
        job_read_list(&list, path, e);
    for (size_t i = 0; i < json_array_size(list.root); i++) {
        const json_t *image = json_object_get(json_array_get(list.root, i), field);
        if (json_is_string(image))
            add_picture(&p, json_string_value(image), e);
        for (size_t k = 0; k < json_array_size(image); k++)
            if (json_is_string(json_array_get(image, k)))
                add_picture(&p, json_string_value(json_array_get(image, k)), e);
    }
    json_close(&list);
    free(path);
    return pictures_hash(&p);
}

/* ------------------------------------------------------------------------------------- the results */

/* The model of one answerer and whether it draws at random; `names` are those of the two inputs. */
typedef struct {
    const char *names[2], *folder;
    const char *adapter; /* folder of the student's; "": none */
} Model;

/* A folder that need not be there. */
static json_t *adapter_files(const Job *j, const char *folder, Error *e)
{
    return *folder ? fingerprint_model(j, folder, e) : json_string("none");
}

static void model_inputs(const Job *j, const Model *m, json_t *o, Error *e)
{
    json_put(o, m->names[0], fingerprint_model(j, m->folder, e), e);
    json_put(o, m->names[1], sampling(j, m->folder, e), e);
    if (m->adapter)
        json_put(o, "student.adapter", adapter_files(j, m->adapter, e), e);
}

static Model student(const Job *j)
{
    return (Model){{"student.model", "student.sampling"}, j->config.student.model, j->config.student.adapter};
}

static Model teacher(const Job *j)
{
    return (Model){{"teacher.model", "teacher.sampling"}, j->config.teacher.model, NULL};
}

/* The list without the pictures' bytes: ids, names, and what a data set says of them. */
static json_t *list_hash(const Items *items, Error *e)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < items->count; i++) {
        const Item *item = items->item + i;
        json_append(list, json_pack("[O, s, s?, O?]", item->id, item->image, item->question, item->answers),
                    e);
    }
    const uint64_t hash = fingerprint_json(list, e);
    json_decref(list);
    return fingerprint_text(hash);
}

static json_t *prompt_hash(const Job *j, Error *e)
{
    Text prompt = {0};
    prompt_load(&prompt, NULL, &j->config, e);
    const uint64_t hash = hash_bytes(HASH_START, text_string(&prompt), prompt.count);
    text_free(&prompt);
    return fingerprint_text(hash);
}

static void annotations_inputs(const Job *j, json_t *o, Error *e)
{
    const Config *c = &j->config;
    Items items = {0};
    const Model model = teacher(j);
    model_inputs(j, &model, o, e);
    json_put(o, "prompt",
             *c->annotate.prompt && !file_exists(c->annotate.prompt) ? json_null() : prompt_hash(j, e), e);
    if (!*c->data.images || !file_exists(c->data.images)) {
        json_put(o, "pictures", json_null(), e);
        json_put(o, "list", json_null(), e);
        return;
    }
    json_t *pictures = json_object();
    items_name_images(&items, c, e);
    for (int64_t i = 0; i < items.count && e->status == OK; i++)
        if (items.item[i].file)
            json_put(pictures, items.item[i].image,
                     fingerprint_text(fingerprint_file(j, items.item[i].file, e)), e);
    json_put(o, "pictures", pictures, e);
    json_put(o, "list", list_hash(&items, e), e);
    items_free(&items);
}

static void answers_inputs(const Job *j, const Model *m, json_t *o, Error *e)
{
    const char *annotations = j->config.teacher.annotations;
    model_inputs(j, m, o, e);
    json_put(o, "annotations.json", stage_file(j, annotations, RESULT_ANNOTATIONS, e), e);
    json_put(o, "pictures", pictures_of(j, annotations, RESULT_ANNOTATIONS, "image_path", e), e);
}

/* With both files of answers given, the annotations are not read. */
static void parity_inputs(const Job *j, json_t *o, Error *e)
{
    const Config *c = &j->config;
    const bool given = *c->student.answers && *c->teacher.answers;
    if (c->identify.select == SELECT_LABELS) {
        Items items = {0};
        items_name_images(&items, c, e);
        json_put(o, "list", list_hash(&items, e), e);
        items_free(&items);
        return;
    }
    json_put(o, "annotations.json",
             given ? json_null() : stage_file(j, c->teacher.annotations, RESULT_ANNOTATIONS, e), e);
    json_put(o, "student.json", stage_file(j, c->student.answers, RESULT_STUDENT, e), e);
    json_put(o, "teacher.json", stage_file(j, c->teacher.answers, RESULT_TEACHER, e), e);
}

static void aligned_inputs(const Job *j, json_t *o, Error *e)
{
    json_put(o, "student.model", fingerprint_model(j, j->config.student.model, e), e);
    json_put(o, "parity.json", stage_file(j, "", RESULT_PARITY, e), e);
    json_put(o, "pictures", pictures_of(j, "", RESULT_PARITY, "image", e), e);
    if (j->config.level.method == METHOD_LORA)
        json_put(o, "level.lora_init", adapter_files(j, j->config.level.lora_init, e), e);
}

static void test_inputs(const Job *j, const Model *m, json_t *o, Error *e)
{
    const Config *c = &j->config;
    Items items = {0};
    model_inputs(j, m, o, e);
    Pictures p = {j, holdout_pictures(c), HASH_START, 0};
    if (!*c->evaluate.questions || file_exists(c->evaluate.questions))
        holdout_or_questions(&items, j, e);
    for (int64_t i = 0; i < items.count; i++)
        add_picture(&p, items.item[i].image, e);
    json_put(o, "questions", items.count ? list_hash(&items, e) : json_null(), e);
    json_put(o, "questions.pictures", pictures_hash(&p), e);
    items_free(&items);
}

static void test_aligned_inputs(const Job *j, json_t *o, Error *e)
{
    char *folder = job_path(j, result_name[RESULT_ALIGNED], e);
    const Model m = {{result_name[RESULT_ALIGNED], "aligned.sampling"}, folder, NULL};
    if (folder)
        test_inputs(j, &m, o, e);
    free(folder);
}

static void scores_inputs(const Job *j, json_t *o, Error *e)
{
    const Config *c = &j->config;
    Items items = {0};
    const char *predictions = c->evaluate.predictions;
    if (!*c->evaluate.questions || file_exists(c->evaluate.questions))
        holdout_or_questions(&items, j, e);
    json_put(o, "questions", items.count ? list_hash(&items, e) : json_null(), e);
    items_free(&items);
    if (*predictions)
        json_put(o, "predictions",
                 file_size(predictions) >= 0 ? fingerprint_text(file_hash(predictions, e)) : json_null(), e);
    for (int r = RESULT_TEST_STUDENT; r < RESULT_SCORES && !*predictions; r++)
        json_put(o, result_name[r], stage_file(j, "", (Result)r, e), e);
}

json_t *inputs_now(const Job *j, Result r, Error *e)
{
    const Model of_student = student(j);
    const Model of_teacher = teacher(j);
    json_t *o = json_object();
    if (r == RESULT_ANNOTATIONS)
        annotations_inputs(j, o, e);
    else if (r == RESULT_STUDENT)
        answers_inputs(j, &of_student, o, e);
    else if (r == RESULT_TEACHER)
        answers_inputs(j, &of_teacher, o, e);
    else if (r == RESULT_PARITY)
        parity_inputs(j, o, e);
    else if (r == RESULT_ALIGNED)
        aligned_inputs(j, o, e);
    else if (r == RESULT_TEST_STUDENT)
        test_inputs(j, &of_student, o, e);
    else if (r == RESULT_TEST_ALIGNED)
        test_aligned_inputs(j, o, e);
    else if (r == RESULT_SCORES)
        scores_inputs(j, o, e);
    else
        test_inputs(j, &of_teacher, o, e);
    if (r == RESULT_TEACHER && j->config.identify.skip_teacher) /* whom it is asked about */
        json_put(o, "student.json", stage_file(j, j->config.student.answers, RESULT_STUDENT, e), e);
    return o;
}
