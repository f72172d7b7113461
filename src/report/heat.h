/* Heat maps of a run: where teacher, student and aligned student looked (model/heat.h). */
#ifndef MPA_REPORT_HEAT_H
#define MPA_REPORT_HEAT_H

#include "image/image.h"
#include "job/job.h"

enum { HEAT_PAIRS = 12 }; /* of how many pairs a report shows maps, unless it is told otherwise */

/* A map as JSON, as a line of heat.jsonl has it:
 *   {"id", "model": "teacher", "key", "loss", "frames": [{"at": [left, top, right, bottom], "down", "across",
 *    "heat": [down * across, row by row]}]}
 * `at`: where the patches stand, as parts of the picture; several frames where the picture is seen in tiles and
 * as a whole. "key" is a hash of all that it was made of. */

/* At most `most` kept pairs that were trained on, spread over them all, as a list of ids. Owned reference. */
json_t *heat_choose(const Job *j, const json_t *audit, int64_t most, Error *e);
/* {id: {model: map}}, of the pictures with these ids that are in the audit with a question and an answer, by
 * each model that there is. Maps of heat.jsonl are taken where they are still true; others are computed and
 * added to it. Pictures that cannot be looked at are named in warnings. Owned reference.
 *
 * NO_MEMORY, before a model computes, where a pass needs more than there is. INTERRUPTED: between two maps. */
json_t *heat_maps(const Job *j, const json_t *audit, const json_t *ids, Error *e);

/* Lays the map over the picture, in place: orange where the loss was lowered, blue where it was raised, each in
 * proportion to the largest. */
Status heat_draw(Image *picture, const json_t *map, Error *e);
/* Appends a PNG file: the picture, and beside it the map of each model in heat_order. */
Status heat_png(Text *out, const Image *picture, const json_t *maps, Error *e);
/* A model's name in maps, MODEL_STUDENT, ... */
extern const char *const heat_model[];
/* The order in which maps stand beside each other: that in which a run makes its models. */
extern const int heat_order[];

#endif
