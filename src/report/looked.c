/* Where the models looked: heat maps of some kept pairs over their pictures, side by side. */
#include "report/section.h"

#include "report/heat.h"

#include <string.h>

static Status caption(Text *out, const char *title, const json_t *map, Error *e)
{
    text_format(out, e, "<figcaption>%s", title);
    if (map)
        text_format(out, e, " <small>loss %.3g</small>", json_number_value(json_object_get(map, "loss")));
    return text_add(out, "</figcaption></figure>\n", e);
}

/* The picture with a map over it, or without. */
static Status figure(Text *out, const Image *picture, const char *title, const json_t *map, Error *e)
{
    Image copy = {0};
    image_new(&copy, picture->width, picture->height, e);
    if (e->status != OK)
        return e->status;
    memcpy(copy.data, picture->data, (size_t)(copy.width * copy.height * 3));
    if (map)
        heat_draw(&copy, map, e);
    text_add(out, "<figure>", e);
    picture_element(out, &copy, title, e);
    caption(out, title, map, e);
    image_free(&copy);
    return e->status;
}

static Status pair(Text *out, const Record *r, const char *id, const json_t *maps, Error *e)
{
    static const char *const title[MODELS] = {
        [MODEL_STUDENT] = "student before", [MODEL_ALIGNED] = "aligned student", [MODEL_TEACHER] = "teacher"};
    const json_t *l = json_object_get(r->audit, id);
    const PictureSource source = picture_source_data(&r->job->config);
    Image small = {0};
    Error why = {0};
    picture_small(&small, &source, text_in(l, "image_path"), THUMBNAIL, r->job->config.image.exif, &why);
    error_take_memory(e, &why);
    if (small.data) {
        text_add(out, "<article>\n<h4>", e);
        html_clipped(out, text_in(l, "question"), 160, e);
        text_add(out, "</h4>\n<div class=\"maps\">\n", e);
        figure(out, &small, "picture", NULL, e);
        for (int i = 0; i < MODELS; i++) {
            const json_t *map = json_object_get(maps, heat_model[heat_order[i]]);
            if (map)
                figure(out, &small, title[heat_order[i]], map, e);
        }
        text_add(out, "</div>\n<p>annotated answer: ", e);
        html_clipped(out, text_in(l, "answer"), 160, e);
        text_add(out, "<small>id ", e);
        html_clipped(out, id, 160, e);
        text_add(out, "</small></p></article>\n", e);
    }
    image_free(&small);
    return e->status;
}

static const char words[] =
    "<section class=\"wide\">\n<h2>Where it looked</h2>\n"
    "<p class=\"note\">How much each patch of a picture moved the loss of the annotated answer: gradient "
    "times "
    "input, <i>h</i>&nbsp;=&nbsp;&Sigma;&nbsp;<i>x</i>&nbsp;&part;<i>L</i>/&part;<i>x</i> over the pixel "
    "values "
    "<i>x</i> of a patch as the model reads them (0 is the mean colour), with <i>L</i> the mean loss of the "
    "answer&rsquo;s tokens, as in training. To first order it is what the loss would change by if the patch "
    "were blank, with the sign turned. <span class=\"for\">Orange</span>: the patch lowers the loss, it "
    "speaks "
    "for the answer; <span class=\"against\">blue</span>: it raises the loss. Each map has its own scale, "
    "its "
    "largest value has full colour. Where a picture is read in "
    "tiles "
    "and as a whole, both are added. A gradient says where a small change matters, not what was "
    "understood.</p>\n<div class=\"looks\">\n";

Status looked_section(Text *out, const Record *r, Error *e)
{
    const char *id;
    json_t *maps;
    bool any = false;
    json_object_foreach(r->heat, id, maps) any |= json_object_size(maps) > 0;
    if (!any)
        return e->status;
    text_add(out, words, e);
    json_object_foreach(r->heat, id, maps)
    {
        if (json_object_size(maps))
            pair(out, r, id, maps, e);
    }
    return text_add(out, "</div>\n</section>\n", e);
}
