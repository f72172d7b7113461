/* Elementary functions in double. They are our own because C libraries differ from each other and, on
 * one machine, with and without fused multiply-add. The error is below 3e-15 of the result (of 1
 * for erf, tanh, sin and cos), far below what a float32 result can show. */
#ifndef MPA_BASE_ELEMENTARY_H
#define MPA_BASE_ELEMENTARY_H

double exact_exp(double x);           /* 0 below -708, infinity above 709 */
double exact_log(double x);           /* x > 0, finite */
double exact_pow(double x, double y); /* x > 0 */
double exact_erf(double x);
double exact_tanh(double x);
double exact_sigmoid(double x);
void exact_sincos(double x, double *sin_x, double *cos_x); /* |x| < 1e6 */

#endif
