/* all: every pair with question and answer; random: as many of them as parity keeps; unverified: where the
 * student is wrong, without the teacher's check of its own annotation; labels: the data set's own question
 * and answer for each picture, the first of several. (The paper's ablations, and what it compares with.) */
#include "mpa/select.h"

#include "base/memory.h"
#include "base/random.h"
#include "data/items.h"
#include "data/match.h"
#include "data/metrics.h"

#include <stdlib.h>

bool select_asks(const Config *c, int who)
{
    switch (c->identify.select) {
    case SELECT_ALL:
    case SELECT_LABELS: return false;
    case SELECT_UNVERIFIED: return who == STUDENT;
    default: return true;
    }
}

Status select_labels(Pairs *p, const Config *c, Error *e)
{
    Items items = {0};
    json_t *list = json_array();
    int64_t labelled = 0;
    items_load_images(&items, c, e);
    for (int64_t i = 0; i < items.count && e->status == OK; i++) {
        const Item *item = items.item + i;
        const char *answer = json_array_size(item->answers) ? most_frequent(item->answers) : NULL;
        labelled += item->question && answer;
        json_append(list,
                    json_pack("{s:O, s:s, s:s?, s:s?}", "question_id", item->id, "image_path", item->image,
                              "question", item->question, "answer", answer),
                    e);
    }
    if (e->status == OK && !labelled)
        error_set(
            e, BAD_INPUT,
            "%s = %s: identify.select = labels trains on the labels of a data set, and this one has none",
            config_name(c, &c->data.images), c->data.images);
    pairs_take(p, list, c->data.images, "question", "answer", e);
    items_free(&items);
    return e->status;
}

static bool is_whole(const Pair *p)
{
    return p->question && p->answer;
}

static bool student_is_wrong(const Pair *p)
{
    return is_whole(p) && p->said[STUDENT] &&
           !match_contains(text_string(&p->normal_answer), text_string(&p->normal_said[STUDENT]));
}

/* As many whole pairs as are kept, drawn from all of them. */
static Status draw(const Config *c, Pairs *p, Error *e)
{
    int64_t wanted = 0;
    int64_t *order = memory_new(p->count, sizeof *order, e);
    if (!order)
        return e->status;
    for (int64_t i = 0; i < p->count; i++) {
        wanted += p->pair[i].kept;
        p->pair[i].kept = false;
    }
    random_permutation(order, p->count, (uint64_t)c->run.seed, 0);
    for (int64_t i = 0; i < p->count && wanted; i++) {
        Pair *pair = p->pair + order[i];
        if (is_whole(pair)) {
            pair->kept = true;
            wanted--;
        }
    }
    free(order);
    return e->status;
}

Status select_pairs(const Config *c, Pairs *p, Error *e)
{
    const int select = c->identify.select;
    if (e->status != OK || select == SELECT_PARITY)
        return e->status;
    if (select == SELECT_RANDOM)
        return draw(c, p, e);
    for (int64_t i = 0; i < p->count; i++)
        p->pair[i].kept = select == SELECT_UNVERIFIED ? student_is_wrong(p->pair + i) : is_whole(p->pair + i);
    return e->status;
}

const char *select_reason(const Config *c, const Pair *p)
{
    static const char *const kept[] = {
        [SELECT_ALL] = "every pair is kept",
        [SELECT_RANDOM] = "drawn at random",
        [SELECT_UNVERIFIED] = "the student is wrong; the teacher's own check is left out",
        [SELECT_LABELS] = "a label of the data set",
    };
    const int select = c->identify.select;
    if (select == SELECT_PARITY)
        return NULL;
    if (p->kept)
        return kept[select];
    if (select == SELECT_LABELS)
        return "the data set holds no question, or no answer";
    return select == SELECT_RANDOM && is_whole(p) ? "not drawn" : NULL;
}
