/* Normalisation, in the order and the types of transformers' slow image processors (rescale and
 * normalize in image_transforms.py), or in torchvision's (ToTensor, Normalize): (v - mean) / std rounds otherwise than v * (1 / std). */
#include "image/image.h"

float normalise(const Normalise *n, unsigned char value, int channel)
{
    float v = n->divide ? (float)value / 255.0f : (float)((double)value * n->rescale);
    return (v - n->mean[channel]) / n->std[channel];
}
