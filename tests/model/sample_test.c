/* Samples, batches and the loss where no golden looks: limits, errors, counts, and passes in which
 * only a part of the model is trained. */
#include "fixture/must.h"

#include "model/family.h"
#include "model/loss.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const image[] = {"golden/model/odd.png"};
static const char *const missing[] = {"no/such/file.png"};
static char folders[][40] = {"weights/tiny-qwen2vl-a", "weights/tiny-smolvlm-a"};

static void positions_have_a_limit(void **state)
{
    Error e = {0};
    Vlm vlm;
    Sample s;
    const Question q = {.text = "Which one is it?"};
    vlm_open(&vlm, *state, &e);
    must(&e);
    vlm_sample(&vlm, &s, NULL, &q, NULL, &e);
    must(&e);
    const int32_t next = s.next_position;
    sample_free(&s);
    vlm.max_positions = next;
    vlm_sample(&vlm, &s, NULL, &q, NULL, &e);
    must(&e);
    sample_free(&s);
    vlm.max_positions = next - 1;
    assert_int_equal(vlm_sample(&vlm, &s, NULL, &q, NULL, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "max_position_embeddings"));
    assert_null(s.ids);
    vlm_close(&vlm);
}

/* Two turns, to a family that takes one. */
static void one_turn(void **state)
{
    (void)state;
    Error e = {0};
    Vlm vlm;
    Sample s;
    const Question second = {.text = "And that?", .answer = "another"};
    const Question q = {.text = "Which one is it?", .answer = "one", .next = &second};
    vlm_open(&vlm, "weights/tiny-internvl2-a", &e);
    must(&e);
    assert_int_equal(vlm_sample(&vlm, &s, NULL, &q, NULL, &e), BAD_INPUT);
    assert_non_null(strstr(e.text, "takes one turn, with its pictures in front of the text"));
    assert_null(s.ids);
    vlm_close(&vlm);
}

/* Known without the pictures, which are not even opened; with the trainer's line end one more. */
static void answer_tokens(void **state)
{
    Error e = {0};
    Vlm vlm;
    Samples samples;
    Question q = {.images = image, .n_images = 1, .text = "Which one is it?", .answer = "the second one"};
    vlm_open(&vlm, *state, &e);
    must(&e);
    for (int newline = 0; newline < 2; newline++) {
        const ChatOptions options = {newline};
        q.images = image;
        samples_load(&samples, &vlm, &q, 1, NULL, &options, &e);
        must(&e);
        q.images = missing;
        int64_t count = vlm_answer_tokens(&vlm, &q, &options, &e);
        must(&e);
        assert_true(count > 3);
        assert_int_equal(count, samples_labels(samples.sample, 1));
        samples_free(&samples);
    }
    assert_int_equal(vlm_answer_tokens(&vlm, &q, &(ChatOptions){true}, &e),
                     vlm_answer_tokens(&vlm, &q, NULL, &e) + 1);
    vlm_close(&vlm);
}

/* The picture token in a user's words, as the first of them and in an answer, is no picture. */
static void picture_token_in_text(void **state)
{
    Vlm vlm;
    Sample s;
    Picture p = {0};
    Text text = {0};
    Error e = {0};
    vlm_open(&vlm, *state, &e);
    vlm_picture(&vlm, &p, image[0], NULL, &e);
    tokenizer_decode(vlm.tokenizer, &text, &vlm.image, 1, false, &e);
    must(&e);
    const Question q[] = {{.n_images = 1, .text = text_string(&text)},
                          {.n_images = 1, .text = "a", .answer = text_string(&text)}};
    for (int i = 0; i < 2; i++) {
        e = (Error){0};
        assert_int_equal(vlm_sample(&vlm, &s, &p, q + i, NULL, &e), BAD_INPUT);
        assert_non_null(strstr(e.text, "the picture token itself"));
        assert_true(i || strstr(e.text, "(at token 0)"));
        assert_null(s.ids);
    }
    text_free(&text);
    picture_free(&p);
    vlm_close(&vlm);
}

/* Ids in which a picture's tokens are cut, doubled or left out have no positions. */
static void picture_tokens_must_fit(void **state)
{
    Vlm vlm;
    Picture p[2] = {{0}};
    Error e = {0};
    vlm_open(&vlm, *state, &e);
    vlm_picture(&vlm, p, image[0], NULL, &e);
    must(&e);
    p[1] = p[0];
    const int64_t n = p->tokens;
    int32_t *ids = calloc((size_t)(2 * n), sizeof *ids);
    int32_t *position = calloc((size_t)(6 * n), sizeof *position);
    assert_true(ids && position && n > 2);
    for (int64_t i = 0; i < 2 * n; i++)
        ids[i] = vlm.image;
    const struct {
        int64_t count, pictures;
        Status status;
    } rows[] = {{n, 1, OK}, {n - 1, 1, BAD_INPUT}, {2 * n, 1, BAD_INPUT}, {2 * n, 2, OK}, {n, 2, BAD_INPUT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Sample s = {.ids = ids,
                    .position = position,
                    .count = rows[i].count,
                    .pictures = p,
                    .n_pictures = rows[i].pictures};
        e = (Error){0};
        assert_int_equal(vlm.family->positions(&vlm, &s, &e), rows[i].status);
    }
    free(ids);
    free(position);
    picture_free(p);
    vlm_close(&vlm);
}

/* An error of a question with an id says which; nothing is left to free. */
static void errors_name_the_pair(void **state)
{
    Vlm vlm;
    Samples samples;
    Question q[] = {{.images = image, .n_images = 1, .text = "a", .answer = "b", .id = "7"},
                    {.images = missing, .n_images = 1, .text = "a", .answer = "b", .id = "8"}};
    Error e = {0};
    vlm_open(&vlm, *state, &e);
    must(&e);
    assert_int_equal(samples_load(&samples, &vlm, q, 2, NULL, NULL, &e), BAD_INPUT);
    assert_memory_equal(e.text, "pair 8: no/such/file.png", 24);
    assert_true(!samples.sample && !samples.picture && !samples.count && !samples.pictures);
    assert_int_equal(samples_load(&samples, &vlm, q, 1, NULL, NULL, &e), BAD_INPUT); /* e has failed */
    assert_true(!samples.sample && !samples.count);
    e = (Error){0};
    q[1].id = NULL;
    assert_int_equal(samples_load(&samples, &vlm, q, 2, NULL, NULL, &e), BAD_INPUT);
    assert_memory_equal(e.text, "no/such/file.png", 16);
    vlm_close(&vlm);
}

/* Labels are counted as they are scored: the first token of a sample has none before it. */
static void labels_are_counted_as_scored(void **state)
{
    (void)state;
    enum { N = LABEL_NONE };
    int32_t ids[] = {4, 5, 6, 7};
    int32_t position[12] = {0};
    int32_t labels[][4] = {{N, N, N, N}, {4, N, N, N}, {N, 5, N, 7}, {4, 5, 6, 7}};
    const int64_t wanted[] = {0, 0, 2, 3};
    Arena arena;
    Error e = {0};
    arena_init(&arena);
    Run run = {.arena = &arena, .error = &e};
    Sample s[4];
    for (int i = 0; i < 4; i++) {
        s[i] = (Sample){.ids = ids, .labels = labels[i], .position = position, .count = 4};
        assert_int_equal(samples_labels(s + i, 1), wanted[i]);
    }
    const int64_t *rows;
    const int32_t *next;
    assert_int_equal(samples_labels(s, 4), 5);
    assert_int_equal(batch_labels(&run, batch_pack(&run, s, 4), s, &rows, &next), 5);
    const int64_t wanted_rows[] = {8, 10, 12, 13, 14};
    const int32_t wanted_next[] = {5, 7, 5, 6, 7};
    assert_memory_equal(rows, wanted_rows, sizeof wanted_rows);
    assert_memory_equal(next, wanted_next, sizeof wanted_next);
    s[2].labels = NULL; /* a prompt among them */
    assert_int_equal(samples_labels(s, 4), 3);
    assert_int_equal(batch_labels(&run, batch_pack(&run, s, 4), s, &rows, &next), 3);
    arena_free(&arena);
}

/* One pass over the samples, in which parameters of `part` (all: -1) have a gradient. Returns the
 * gradients of the merger's parameters, one after another; arena memory. */
static float *merger_gradients(const Vlm *vlm, const Samples *s, int part, Arena *arena, LossSum *sum,
                               int64_t *count, Error *e)
{
    const Checkpoint *c = &vlm->checkpoint;
    *count = 0;
    for (int64_t i = 0; i < c->params; i++)
        *count += c->param[i]->part == PART_MERGER ? c->param[i]->count : 0;
    float *all = arena_zero(arena, *count, sizeof *all, e);
    float *next = all;
    for (int64_t i = 0; i < c->params; i++) {
        Param *p = c->param[i];
        p->grad = p->part == PART_MERGER             ? next
                  : part < 0 || (int)p->part == part ? arena_zero(arena, p->count, sizeof(float), e)
                                                     : NULL;
        next += p->part == PART_MERGER ? p->count : 0;
    }
    Run run = {.arena = arena, .error = e};
    run.tape = tape_new(&run);
    vlm_loss(&run, vlm, s->sample, s->count, 1 / (double)samples_labels(s->sample, s->count), sum);
    for (int64_t i = 0; i < c->params; i++)
        c->param[i]->grad = NULL;
    must(e);
    return all;
}

/* The merger learns the same with all the rest frozen; and what passes add up to is added up. */
static void merger_alone(void **state)
{
    Error e = {0};
    Vlm vlm;
    Samples s;
    Arena arena;
    LossSum one = {0};
    LossSum two = {0};
    int64_t count;
    const Question q = {.images = image, .n_images = 1, .text = "What is it?", .answer = "a bird"};
    arena_init(&arena);
    vlm_open(&vlm, *state, &e);
    samples_load(&s, &vlm, &q, 1, NULL, NULL, &e);
    must(&e);
    const float *all = merger_gradients(&vlm, &s, -1, &arena, &one, &count, &e);
    two = one;
    const float *alone = merger_gradients(&vlm, &s, PART_MERGER, &arena, &two, &count, &e);
    assert_memory_equal(all, alone, (size_t)count * sizeof *all);
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += (double)(all[i] * all[i]);
    assert_true(sum > 0);
    assert_int_equal(one.tokens, samples_labels(s.sample, 1));
    assert_int_equal(two.tokens, 2 * one.tokens);
    assert_true(two.loss >= 2 * one.loss && two.loss <= 2 * one.loss && one.loss > 0);
    samples_free(&s);
    arena_free(&arena);
    vlm_close(&vlm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"qwen2vl: positions", positions_have_a_limit, NULL, NULL, folders[0]},
        {"smolvlm: positions", positions_have_a_limit, NULL, NULL, folders[1]},
        {"qwen2vl: answer tokens", answer_tokens, NULL, NULL, folders[0]},
        {"smolvlm: answer tokens", answer_tokens, NULL, NULL, folders[1]},
        {"qwen2vl: picture token in text", picture_token_in_text, NULL, NULL, folders[0]},
        {"smolvlm: picture token in text", picture_token_in_text, NULL, NULL, folders[1]},
        {"qwen2vl: picture tokens must fit", picture_tokens_must_fit, NULL, NULL, folders[0]},
        {"smolvlm: picture tokens must fit", picture_tokens_must_fit, NULL, NULL, folders[1]},
        {"errors name the pair", errors_name_the_pair, NULL, NULL, folders[1]},
        cmocka_unit_test(one_turn),
        cmocka_unit_test(labels_are_counted_as_scored),
        {"qwen2vl: merger alone", merger_alone, NULL, NULL, folders[0]},
        {"smolvlm: merger alone", merger_alone, NULL, NULL, folders[1]},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
