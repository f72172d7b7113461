/* Where a model looked: how much each patch of a picture moved the loss of an answer. */
#ifndef MPA_MODEL_HEAT_H
#define MPA_MODEL_HEAT_H

#include "model/sample.h"

/* heat[n], one for each row of the sample's pictures (Picture.rows), in their order:
 *
 *     heat[n] = sum over the values x of patch n of x * dL/dx,  L the mean loss of the labels
 *
 * To first order, by how much L is above what it were if the patch were all 0, the mean colour that pixels
 * are normalised with. Below 0: the patch speaks for the answer. *loss becomes L. recompute: blocks keep their
 * input only. No parameter has a gradient. Where a patch stands on its picture: Family.place. BAD_INPUT: there are no pictures or no labels. */
Status heat_of(const Vlm *vlm, const Sample *s, bool recompute, double *heat, double *loss, Error *e);

#endif
