/* `mpa explain`: everything that happened to one picture of a run. */
#include "command/command.h"

#include "base/file.h"
#include "base/lock.h"
#include "base/parallel.h"
#include "base/printable.h"
#include "base/signals.h"
#include "mpa/audit.h"
#include "mpa/stage.h"
#include "report/explain.h"
#include "report/heat.h"
#include "report/section.h"
#include "report/story.h"
#include "tensor/gemm.h"

static Status print(const json_t *story, bool json, Error *e)
{
    Text text = {0};
    if (json) {
        json_print(&text, story, JSON_INDENT(2) | JSON_REAL_PRECISION(9), e);
        text_add(&text, "\n", e);
        command_print(text_string(&text), text.count, e);
    } else {
        explain_text(&text, story, e);
        if (e->status == OK)
            output("%s", text_string(&text));
    }
    text_free(&text);
    return e->status;
}

/* Writes the picture's heat maps as PNG, and puts into the story which. */
static Status write_heat(const Job *j, const char *id, const char *path, json_t *story, Error *e)
{
    enum { SIDE = 480 };
    const PictureSource source = picture_source_data(&j->config);
    Text png = {0};
    Image picture = {0};
    json_t *audit = audit_lines(j, e);
    json_t *ids = json_pack("[s]", id);
    json_t *maps = heat_maps(j, audit, ids, e);
    json_t *losses = json_object();
    const json_t *own = json_object_get(maps, id);
    const char *model;
    const json_t *map;
    picture_small(&picture, &source, text_in(story, "image"), SIDE, j->config.image.exif, e);
    if (e->status == OK && !json_object_size(own))
        error_set(e, FAILED, "picture %s has no heat map: that takes a question, an answer and a model", id);
    json_object_foreach(readable(own), model, map)
        json_put(losses, model, json_incref(json_object_get(map, "loss")), e);
    json_put(story, "heat", json_pack("{s:s, s:O}", "file", path, "loss", losses), e);
    heat_png(&png, &picture, own, e);
    if (e->status == OK)
        file_replace(path, text_string(&png), png.count, e);
    text_free(&png);
    image_free(&picture);
    json_decref(losses);
    json_decref(maps);
    json_decref(ids);
    json_decref(audit);
    return e->status;
}

/* What is told must be true: the stages that it is about are looked at first. */
static Status explain(Job *j, const char *id, bool json, const char *heat, Error *e)
{
    FolderLock lock = {0};
    j->folder = j->config.run.dir;
    parallel_set_threads((int)j->config.run.threads);
    gemm_start(e);
    if (e->status == OK && !file_is_folder(j->folder))
        story_nothing(j, e);
    folder_lock(&lock, j->folder, e);
    stage_check_results(j, stages, STAGES - 1, e);
    json_t *story = story_of(j, id, e);
    if (heat && e->status == OK)
        write_heat(j, id, heat, story, e);
    if (e->status == OK)
        print(story, json, e);
    json_decref(story);
    folder_unlock(&lock);
    return e->status;
}

static Status run(Invocation *in, Error *e)
{
    Job j = {.log = in->log, .version = MPA_VERSION, .hashes = json_object(), .stop = signals_flag()};
    bool json = false;
    const char *heat = NULL;
    const Option options[] = {
        {.name = "json", .given = &json}, {.name = "heat", .takes_value = true, .value = &heat}, {0}};
    j.log.quiet = !j.log.verbose; /* the story is all that is wanted */
    options_parse(options, in->arguments, &in->count, e);
    if (e->status == OK && in->count < 2)
        error_arguments(e, "a configuration file and the id of a picture are needed");
    if (e->status == OK)
        config_load(&j.config, in->arguments[0], in->arguments + 2, in->count - 2, e);
    if (e->status == OK)
        config_require(&j.config, &j.config.run.dir, e);
    if (e->status == OK)
        explain(&j, in->arguments[1], json, heat, e);
    config_free(&j.config);
    json_decref(j.hashes);
    return e->status;
}

const Command command_explain = {
    "explain", run, "CONF ID [--json] [--heat FILE.png] [section.key=value ...]",
    "everything that happened to one picture",
    "ID is its question_id; audit.jsonl has them all. The aligned student is "
    "asked once more, where there is one.\n"
    "  --json    one object, for programs\n"
    "  --heat FILE.png    the picture, and beside it where teacher, student and aligned student "
    "looked:\n"
    "            orange lowered the loss of the annotated answer, blue raised it (gradient times "
    "input)\n"};
