/* What several commands do first: checking their arguments, opening a model. */
#include "command/command.h"

Status command_no_arguments(const Invocation *in, Error *e)
{
    return in->count ? error_set(e, BAD_USAGE, "unexpected argument %s", in->arguments[0]) : OK;
}

Status command_needs(const char *value, const char *option, Error *e)
{
    return value ? OK : error_set(e, BAD_USAGE, "--%s is needed", option);
}

Status command_open_model(const Invocation *in, Vlm *vlm, const char *folder, Error *e)
{
    Status status = vlm_open(vlm, folder, e);
    if (status == OK && *vlm->warning)
        log_warning(&in->log, "%s", vlm->warning);
    return status;
}
