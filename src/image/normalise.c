#include "image/image.h"

float normalise(const Normalise *n, unsigned char value, int channel)
{
    float v = (float)((double)value * n->rescale);
    return (v - n->mean[channel]) / n->std[channel];
}
