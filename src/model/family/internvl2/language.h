/* InternVL2's language models: InternLM2 (2B, 8B) and Phi-3 (4B). They differ in names, in how their
 * products are joined, and in how rotary positions change beyond the length they were trained for. */
#ifndef MPA_MODEL_FAMILY_INTERNVL2_LANGUAGE_H
#define MPA_MODEL_FAMILY_INTERNVL2_LANGUAGE_H

#include "model/block/decoder.h"

typedef struct {
    Decoder decoder;
    RotaryRule rotary; /* of a sequence of at most `trained` positions */
    int64_t trained;
    double ntk_factor;         /* dynamic NTK: how theta grows beyond; 0: it does not */
    const double *long_factor; /* long rope: the factors beyond; NULL: the same */
} InternVL2Language;

/* Reads config.json's llm_config, asks for the weights, fills in vlm's sizes. BAD_INPUT: another
 * architecture, biases, a scaling that is not known. */
Status internvl2_language_load(InternVL2Language *m, Vlm *vlm, const Json *config, Error *e);
/* The rule for a sequence of `length` positions. */
RotaryRule internvl2_rotary(const InternVL2Language *m, int64_t length);
/* The last hidden rows [rows, D]. Each sequence turns by the rule of its present length, as the public
 * code does it: keys in the cache stay as they are. */
Mat *internvl2_language(Run *run, const InternVL2Language *m, const Batch *b, KvCache *cache,
                        Mat *picture_rows, int32_t image);

#endif
