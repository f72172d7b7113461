/* Elementary functions in double: reduce the argument, sum a series, put the result together. They use
 * only operations that IEEE 754 rounds correctly, so they give the same bits on every machine. */
#include "base/elementary.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* 2^k for -1022 <= k <= 1023 */
static double power_of_two(int k)
{
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) = 2^k exp(r), |r| <= ln(2)/2, by Taylor's series up to r^13 */
double exact_exp(double x)
{
    if (!(x > -708))
        return x < 0 ? 0 : x;
    if (x > 709)
        return (double)INFINITY;
    double k = floor(x * 1.4426950408889634 + 0.5);
    double r = x - k * 0x1.62e42feep-1 - k * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r * r + r;
    /* 2^1024 is no double: scale in two steps. */
    int n = (int)k;
    int half = n / 2;
    return (1 + p) * power_of_two(half) * power_of_two(n - half);
}

/* log(m 2^k) = k ln 2 + 2 atanh(s), s = (m-1)/(m+1), sqrt(1/2) <= m < sqrt(2) */
double exact_log(double x)
{
    int k;
    double m = frexp(x, &k);
    if (m < 0.7071067811865476) {
        m *= 2;
        k--;
    }
    double s = (m - 1) / (m + 1);
    double s2 = s * s;
    double sum = 0;
    for (int n = 29; n >= 1; n -= 2)
        sum = sum * s2 + 1.0 / n;
    return k * 0x1.62e42feep-1 + (k * 0x1.a39ef35793c76p-33 + 2 * s * sum);
}

double exact_pow(double x, double y)
{
    return exact_exp(y * exact_log(x));
}

/* erf(x) = 2/sqrt(pi) exp(-x^2) x sum_n (2 x^2)^n / (1 3 5 ... (2n+1)): all terms of one sign */
double exact_erf(double x)
{
    double a = fabs(x);
    double term = a;
    double sum = a;
    if (!(a < 6))
        return x > 0 ? 1 : x < 0 ? -1 : x;
    for (int n = 1; term > sum * 1e-17; n++) {
        term *= 2 * a * a / (2 * n + 1);
        sum += term;
    }
    double y = 1.1283791670955126 * exact_exp(-a * a) * sum;
    return x < 0 ? -y : y;
}

double exact_tanh(double x)
{
    double t = exact_exp(-2 * fabs(x));
    double y = (1 - t) / (1 + t);
    return x < 0 ? -y : y;
}

double exact_sigmoid(double x)
{
    return 1 / (1 + exact_exp(-x));
}

/* x = q pi/2 + r, |r| <= pi/4. pi/2 is split into three parts, of which the first two have 33 bits,
 * so that q times them is exact. */
void exact_sincos(double x, double *sin_x, double *cos_x)
{
    double q = floor(x * 0.6366197723675814 + 0.5);
    double r = ((x - q * 0x1.921fb544p+0) - q * 0x1.0b4611a6p-34) - q * 0x1.3198a2e037073p-69;
    double r2 = r * r;
    double s = 0;
    double c = 0;
    for (int n = 17; n >= 3; n -= 2) /* sin r = r (1 - r^2/(2 3) (1 - r^2/(4 5) (...))) */
        s = r2 / ((n - 1) * n) * (1 - s);
    for (int n = 18; n >= 2; n -= 2)
        c = r2 / ((n - 1) * n) * (1 - c);
    s = r * (1 - s);
    c = 1 - c;
    int quarter = (int)(q - 4 * floor(q / 4));
    *sin_x = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
    *cos_x = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}
