/* provenance.json is replaced as a whole, so that after a kill it says what was true before or
 * after. */
#include "job/provenance.h"

#include "image/image.h"
#include "tensor/gemm.h"

#include <stdlib.h>

static const char file_name[] = "provenance.json";

/* Everything that is recorded; an empty object where there is nothing. Owned reference. */
static json_t *read_all(const Job *j, Error *e)
{
    Json file;
    const bool failed = e->status != OK;
    job_open_json(&file, j->folder, file_name, e);
    if (file.root && !json_is_object(file.root))
        error_set(e, BAD_INPUT, "%s: wanted an object, found %s", file.path, json_kind(file.root));
    if (!failed)
        error_prefix(e, "without this file results count as put there by hand; remove it or mend it");
    json_t *all = json_incref(file.root);
    json_close(&file);
    return all ? all : json_object();
}

json_t *provenance_made_by(const Job *j, Error *e)
{
    char arithmetic[GEMM_DESCRIPTION];
    json_t *o = json_object();
    json_put(o, "version", json_string(j->version ? j->version : "unknown"), e);
    json_put(o, "arithmetic", json_string(gemm_description(arithmetic)), e);
    json_put(o, "jpeg", json_string(image_jpeg_decoder()), e);
    return o;
}

json_t *provenance_read(const Job *j, const char *result, Error *e)
{
    json_t *all = read_all(j, e);
    json_t *entry = json_incref(json_object_get(all, result));
    json_decref(all);
    if (entry && e->status == OK &&
        (!json_is_object(json_object_get(entry, "settings")) ||
         !json_is_object(json_object_get(entry, "inputs"))))
        error_set(e, BAD_INPUT, "%s/%s: the entry %s lacks settings or inputs; remove it", j->folder,
                  file_name, result);
    return entry;
}

Status provenance_write(const Job *j, const char *result, const json_t *made_of, json_t *hash, Error *e)
{
    json_t *all = read_all(j, e);
    json_t *entry = json_object();
    json_put(entry, "made_by", provenance_made_by(j, e), e);
    json_put(entry, "settings", json_incref(json_object_get(made_of, "settings")), e);
    json_put(entry, "inputs", json_incref(json_object_get(made_of, "inputs")), e);
    json_put(entry, "hash", hash, e);
    json_put(all, result, entry, e);
    job_write_json(j, file_name, all, 2, e);
    json_decref(all);
    return e->status;
}
