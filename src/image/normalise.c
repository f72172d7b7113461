/* Normalisation, in the order and the types of transformers' slow image processors (rescale and
 * normalize in image_transforms.py): (v - mean) / std rounds otherwise than v * (1 / std). */
#include "image/image.h"

float normalise(const Normalise *n, unsigned char value, int channel)
{
    float v = (float)((double)value * n->rescale);
    return (v - n->mean[channel]) / n->std[channel];
}
