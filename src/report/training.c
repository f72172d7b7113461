/* How the training went: metrics.jsonl as it was written. */
#include "report/section.h"

Status training_section(Text *out, const Record *r, Error *e)
{
    static const Chart charts[] = {{"loss", "Loss", "nats per answer token, mean over the step"},
                                   {"lr", "Learning rate", "of the text part, used in the step"},
                                   {"grad_norm", "Gradient norm", "of all parameters, before clipping"}};
    const int64_t steps = (int64_t)json_array_size(r->steps);
    const json_t *last = json_array_get(r->steps, steps ? (size_t)steps - 1 : 0);
    const int64_t epochs = json_integer_value(json_object_get(last, "epoch"));
    int64_t tokens = 0;
    if (!steps)
        return e->status;
    for (size_t i = 0; i < (size_t)steps; i++)
        tokens += json_integer_value(json_object_get(json_array_get(r->steps, i), "tokens"));
    text_add(out, "<section>\n<h2>Training</h2>\n<p>", e);
    html_count(out, steps, e);
    text_add(out, steps == 1 ? " step in " : " steps in ", e);
    html_count(out, epochs, e);
    text_add(out, epochs == 1 ? " epoch, " : " epochs, ", e);
    html_count(out, tokens, e);
    text_format(out, e, " answer tokens; the loss went from %.3g to %.3g.",
                json_number_value(json_object_get(json_array_get(r->steps, 0), "loss")),
                json_number_value(json_object_get(last, "loss")));
    text_add(out, "</p>\n<div class=\"charts\">\n", e);
    for (size_t i = 0; i < sizeof charts / sizeof *charts; i++)
        chart(out, r->steps, charts + i, e);
    return text_add(out, "</div>\n</section>\n", e);
}
