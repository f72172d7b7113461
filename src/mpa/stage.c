/* The order of the stages, and what all of them do first. */
#include "mpa/stage.h"

#include "base/file.h"

const Stage *const stages[STAGES] = {&stage_annotate, &stage_identify, &stage_level, &stage_evaluate};

bool stage_is_done(const Stage *s, const Job *j)
{
    return s->result && job_has(j, s->result);
}

Status stage_run(const Stage *s, Job *j, Error *e)
{
    if (e->status != OK)
        return e->status;
    if (stage_is_done(s, j)) {
        log_info(&j->log, "%s: %s is there already", s->name, s->result);
        return s->clean ? s->clean(j, e) : OK;
    }
    s->needs(j, e);
    return e->status == OK ? s->run(j, e) : e->status;
}

Status stage_needs_model(const Job *j, const char *const *folder, Error *e)
{
    config_require(&j->config, folder, e);
    if (e->status == OK && !file_is_folder(*folder))
        error_set(e, BAD_INPUT, "%s = %s: there is no such folder", config_name(&j->config, folder), *folder);
    return e->status;
}
