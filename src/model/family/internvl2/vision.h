/* InternVL2's vision tower and connector (InternVisionModel; mlp1 of InternVLChatModel). */
#ifndef MPA_MODEL_FAMILY_INTERNVL2_VISION_H
#define MPA_MODEL_FAMILY_INTERNVL2_VISION_H

#include "base/json.h"
#include "model/block/vision.h"

typedef struct {
    Vision tower;
    int64_t patch, side; /* pixels of a patch along a side, patches of a tile along a side */
    int64_t scale;       /* of the pixel shuffle: scale x scale patches make a token */
    Norm norm;
    Linear fc1, fc2;
} InternVL2Vision;

/* Reads config.json (vision_config, force_image_size, downsample_ratio, select_layer, ps_version) and
 * asks for the weights of vision_model and mlp1; `width`: the language model's. */
Status internvl2_vision_load(InternVL2Vision *v, Vlm *vlm, const Json *config, int64_t width, Error *e);
/* Every tile's class token and patches, in the order of the table. */
const VisionRows *internvl2_rows(Run *run, const Picture *const *pictures, int64_t count);
/* mlp1 of the tower's patches, class tokens left out. */
Mat *internvl2_connector(Run *run, const InternVL2Vision *v, const Picture *const *pictures, int64_t count,
                         Mat *x);
/* The rows that stand for the pictures: [sum of tokens, width]. */
Mat *internvl2_vision(Run *run, const InternVL2Vision *v, const Picture *const *pictures, int64_t count);

#endif
