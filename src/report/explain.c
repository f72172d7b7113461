/* The story in the order in which it happened: what was asked, what was said, how it was compared, what
 * was decided, what was learned of it. Words of models stand in [brackets] where something was found
 * in them, and behind a bar, so that they cannot be taken for ours. */
#include "report/explain.h"

#include "base/text.h"
#include "report/record.h"

#include <string.h>

/* Strangers' words, each line behind a bar. */
static Status quote(Text *out, const char *words, Error *e)
{
    do {
        const size_t n = strcspn(words, "\n");
        text_format(out, e, "    | %.*s\n", (int)n, words);
        words += n + (words[n] == '\n');
    } while (*words && e->status == OK);
    return e->status;
}

/* Where a found piece starts or ends; -1: nothing was found. */
static json_int_t bound(const json_t *place, bool end)
{
    if (!json_is_array(place))
        return -1;
    const json_int_t start = json_integer_value(json_array_get(place, 0));
    return end ? start + json_integer_value(json_array_get(place, 1)) : start;
}

/* The annotator's words with brackets around what was found. */
static Status add_marked(Text *out, const json_t *o, Error *e)
{
    const char *raw = text_in(o, "raw");
    const json_t *place[2] = {json_object_get(o, "question_at"), json_object_get(o, "answer_at")};
    Text marked = {0};
    for (json_int_t i = 0; i <= (json_int_t)strlen(raw) && e->status == OK; i++) {
        for (int k = 0; k < 2; k++)
            if (i == bound(place[k], true))
                text_add(&marked, "]", e);
        for (int k = 0; k < 2; k++)
            if (i == bound(place[k], false))
                text_add(&marked, "[", e);
        text_add_bytes(&marked, raw + i, raw[i] ? 1 : 0, e);
    }
    quote(out, text_string(&marked), e);
    text_free(&marked);
    return e->status;
}

static Status tell_annotation(Text *out, const json_t *o, Error *e)
{
    const char *model = text_in(o, "model");
    text_format(out, e, "1 annotate\n");
    if (text_in(o, "raw")) {
        if (text_in(o, "prompt")) {
            text_format(out, e, "  The teacher%s%s was told:\n", model ? ", " : "", model ? model : "");
            quote(out, text_in(o, "prompt"), e);
        }
        text_format(out, e, "  The teacher wrote:\n");
        add_marked(out, o, e);
    } else {
        text_format(out, e, "  The annotation came from a file; the teacher's own words are not known.\n");
    }
    text_format(out, e, "  Question: %s\n", text_in(o, "question") ? text_in(o, "question") : "none found");
    return text_format(out, e, "  Answer:   %s\n",
                       text_in(o, "answer") ? text_in(o, "answer") : "none found");
}

static Status tell_said(Text *out, const char *who, const json_t *o, const char *answer, Error *e)
{
    if (!json_is_object(o))
        return text_format(out, e, "  %s: no answer is known\n", who);
    text_format(out, e, "  %s said:\n", who);
    quote(out, text_in(o, "said"), e);
    return text_format(out, e, "    compared as \"%s\": \"%s\" %s in it\n", text_in(o, "normalised"),
                       answer ? answer : "", json_is_true(json_object_get(o, "contains")) ? "is" : "is not");
}

static Status tell_identification(Text *out, const json_t *o, Error *e)
{
    const char *answer = text_in(o, "answer");
    text_format(out, e, "\n2 identify\n");
    if (!json_is_object(o))
        return text_format(out, e, "  not done yet\n");
    if (text_in(o, "asked")) {
        text_format(out, e, "  Both were asked:\n");
        quote(out, text_in(o, "asked"), e);
    }
    tell_said(out, "The student", json_object_get(o, "student"), answer, e);
    tell_said(out, "The teacher", json_object_get(o, "teacher"), answer, e);
    return text_format(out, e, "  Decision: %s, because %s\n", text_in(o, "decision"), text_in(o, "reason"));
}

static Status tell_training(Text *out, const json_t *o, Error *e)
{
    const json_t *updates = json_object_get(o, "updates");
    const json_t *u;
    size_t i;
    text_format(out, e, "\n3 level\n");
    if (!json_is_true(json_object_get(o, "kept")))
        return text_format(out, e, "  The pair was not kept, so the student was not trained on it.\n");
    if (json_is_true(json_object_get(o, "held_out")))
        return text_format(
            out, e, "  The picture is held out of training, to measure the agreement with the teacher.\n");
    if (!json_array_size(updates))
        return text_format(out, e, "  The student was not trained on it yet.\n");
    text_format(out, e, "  The student was trained on it:\n");
    json_array_foreach(updates, i, u) text_format(out, e, "    epoch %lld, step %lld: loss %.4f\n",
                                                  (long long)json_integer_value(json_object_get(u, "epoch")),
                                                  (long long)json_integer_value(json_object_get(u, "step")),
                                                  json_number_value(json_object_get(u, "loss")));
    return e->status;
}

/* Which maps were written, in their order. */
static Status tell_heat(Text *out, const json_t *heat, Error *e)
{
    const char *model;
    const json_t *loss;
    if (!heat)
        return e->status;
    text_format(out, e, "\nwhere they looked\n  %s: the picture", text_in(heat, "file"));
    json_object_foreach(json_object_get(heat, "loss"), model, loss)
        text_format(out, e, ", %s (loss %.4f)", model, json_number_value(loss));
    return text_add(out, "\n", e);
}

Status explain_text(Text *out, const json_t *story, Error *e)
{
    const json_t *id = json_object_get(story, "id");
    const json_t *identify = json_object_get(story, "identify");
    if (json_is_string(id))
        text_format(out, e, "picture %s", json_string_value(id));
    else
        text_format(out, e, "picture %lld", (long long)json_integer_value(id));
    text_format(out, e, " (%s)\n\n", text_in(story, "image") ? text_in(story, "image") : "no file");
    tell_annotation(out, json_object_get(story, "annotate"), e);
    tell_identification(out, identify, e);
    tell_training(out, json_object_get(story, "level"), e);
    text_format(out, e, "\nnow\n");
    tell_said(out, "The aligned student", json_object_get(story, "now"), text_in(identify, "answer"), e);
    return tell_heat(out, json_object_get(story, "heat"), e);
}
