/* Checkpoint folders as transformers 5.x saves them: the same weights under another config.json, with
 * processor_config.json in place of preprocessor_config.json and a template behind the tokenizer. A
 * pass over them shows the same bits. (golden/family/NAME/newer by ref/newer_folders.py) */
#include "fixture/golden.h"
#include "fixture/model_folder.h"
#include "fixture/must.h"

#include "base/file.h"
#include "base/folder.h"
#include "model/family.h"
#include "model/loss.h"
#include "tensor/probe.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char template_alone[] =
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": \"A\", "
    "\"type_id\": 0}}], \"pair\": [], \"special_tokens\": {}}";

/* A pass over one picture and an answer, from a folder opened anew. */
typedef struct {
    Arena arena;
    Probe probe;
    Vlm vlm;
    Samples samples;
} Shown;

static void show(Shown *s, const char *folder)
{
    static const char *const picture[] = {"golden/model/odd.png"};
    static const Question q = {
        .images = picture, .n_images = 1, .text = "Who painted it?", .answer = "Nobody."};
    Error e = {0};
    LossSum sum = {0};
    *s = (Shown){0};
    arena_init(&s->arena);
    probe_init(&s->probe);
    Run run = {.arena = &s->arena, .probe = &s->probe, .error = &e};
    vlm_open(&s->vlm, folder, &e);
    samples_load(&s->samples, &s->vlm, &q, 1, NULL, NULL, &e);
    must(&e);
    s->vlm.family->probe_inputs(&run, &s->vlm, s->samples.sample);
    vlm_loss(&run, &s->vlm, s->samples.sample, 1, 1, &sum);
    must(&e);
}

static void shown_free(Shown *s)
{
    samples_free(&s->samples);
    probe_free(&s->probe);
    vlm_close(&s->vlm);
    arena_free(&s->arena);
}

/* A file of golden/family/NAME/newer in place of the folder's. */
static void put(const char *folder, const char *family, const char *file)
{
    char path[200];
    Text t = {0};
    Error e = {0};
    snprintf(path, sizeof path, "golden/family/%s/newer/%s", family, file);
    file_read(&t, path, 1 << 20, &e);
    must(&e);
    model_folder_write(folder, file, t.data, t.count);
    text_free(&t);
}

static void make_newer(char *folder, const char *family, const char *source)
{
    char path[200];
    model_folder_make(folder, source);
    put(folder, family, "config.json");
    put(folder, family, "processor_config.json");
    snprintf(path, sizeof path, "%s/preprocessor_config.json", folder);
    assert_int_equal(unlink(path), 0);
    model_folder_change(folder, source, "tokenizer.json", "post_processor", template_alone);
}

static void check_family(const char *family, const char *source)
{
    char folder[MODEL_FOLDER];
    Shown older, newer;
    Error e = {0};
    make_newer(folder, family, source);
    show(&older, source);
    show(&newer, folder);
    assert_true(older.probe.count > 8 && older.probe.count == newer.probe.count);
    for (int64_t i = 0; i < older.probe.count; i++) {
        const TensorOut *a = older.probe.tensor + i;
        const TensorOut *b = newer.probe.tensor + i;
        size_t count = 4;
        for (int k = 0; k < a->ndim; k++)
            count *= (size_t)a->dim[k];
        assert_true(same_shape(
            &(Tensor){.ndim = a->ndim, .dim = {a->dim[0], a->dim[1], a->dim[2], a->dim[3], a->dim[4]}},
            b->ndim, b->dim));
        if (memcmp(a->data, b->data, count))
            fail_msg("%s: %s differs", source, a->name);
    }
    shown_free(&older);
    shown_free(&newer);
    assert_int_equal(folder_remove(folder, &e), OK);
}

static void same_bits(void **state)
{
    (void)state;
    check_family("qwen2vl", "weights/tiny-qwen2vl-a");
    check_family("smolvlm", "weights/tiny-smolvlm-a");
}

/* What would change the numbers is still refused where it stands now. */
static void refused(void **state)
{
    (void)state;
    static const char qwen2vl[] = "weights/tiny-qwen2vl-a";
    static const struct {
        const char *file, *path, *value, *expected;
    } wrong[] = {
        {"config.json", "text_config.rope_parameters", "{\"rope_theta\": 1e6}",
         "rope_parameters.mrope_section"},
        {"config.json", "text_config.rope_parameters",
         "{\"rope_type\": \"yarn\", \"mrope_section\": [2, 5, 3]}", "yarn"},
        {"config.json", "text_config.hidden_act", "\"gelu\"", "text_config.hidden_act"},
        {"processor_config.json", "image_processor.resample", "2", "processor_config.json: resample"},
        {"processor_config.json", "image_processor.do_rescale", "false", "do_rescale is false"},
        {"processor_config.json", "image_processor.size", "{\"shortest_edge\": 0}", "size.shortest_edge"},
        {"processor_config.json", "image_processor", "3", "image_processor: wanted an object"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char folder[MODEL_FOLDER];
        Vlm vlm;
        Error e = {0};
        make_newer(folder, "qwen2vl", qwen2vl);
        model_folder_change(folder, "golden/family/qwen2vl/newer", wrong[i].file, wrong[i].path,
                            wrong[i].value);
        vlm_open(&vlm, folder, &e);
        if (e.status != BAD_INPUT || !strstr(e.text, wrong[i].expected))
            fail_msg("%s: status %d, \"%s\"; wanted \"%s\"", wrong[i].path, (int)e.status, e.text,
                     wrong[i].expected);
        e = (Error){0};
        assert_int_equal(folder_remove(folder, &e), OK);
    }
}

/* A template that adds tokens would change what the model is given. */
static void templates(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool good;
    } rows[] = {
        {template_alone, true},
        {"{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}]}", true},
        {"{\"type\": \"TemplateProcessing\", \"single\": []}", false},
        {"{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"x\"}}]}", false},
        {"{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {}}, {\"Sequence\": {}}]}",
         false},
        {"{\"type\": \"Sequence\", \"processors\": [{\"type\": \"ByteLevel\"}, {\"type\": "
         "\"BertProcessing\"}]}",
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char folder[MODEL_FOLDER];
        Error e = {0};
        model_folder_make(folder, "weights/tiny-qwen2vl-a");
        model_folder_change(folder, "weights/tiny-qwen2vl-a", "tokenizer.json", "post_processor",
                            rows[i].value);
        Tokenizer *t = tokenizer_open(folder, &e);
        if (rows[i].good ? e.status != OK : e.status != BAD_INPUT || !strstr(e.text, "post_processor"))
            fail_msg("%s: status %d, \"%s\"", rows[i].value, (int)e.status, e.text);
        tokenizer_close(t);
        e = (Error){0};
        assert_int_equal(folder_remove(folder, &e), OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits), cmocka_unit_test(refused),
                                       cmocka_unit_test(templates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
