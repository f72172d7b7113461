/* erf around each c = 0, 1/8, ..., 6, for |h| <= 1/16:
 *
 *     erf(c + h) = erf(c) + sum_n g[n] h^(n+1) / (n+1)
 *
 * g are the coefficients of its derivative 2/sqrt(pi) exp(-(c + h)^2), which is -2 (c + h) times itself when
 * derived again: (n+1) g[n+1] = -2 c g[n] - 2 g[n-1]. The first term left out is below 1e-16. */
#include "base/erf_table.h"

#include "base/elementary.h"

#include <math.h>

static const double cells = 8; /* in a unit of x */
static const double end = 6;   /* from here on erf is 1 to the last bit */

void erf_table_make(ErfTable *t)
{
    for (int i = 0; i < ERF_CELLS; i++) {
        const double c = i / cells;
        double before = 0;
        double g = 1.1283791670955126 * exact_exp(-c * c);
        t->term[i][0] = exact_erf(c);
        for (int n = 0; n < ERF_TERMS - 1; n++) {
            const double next = -2 * (c * g + before) / (n + 1);
            t->term[i][n + 1] = g / (n + 1);
            before = g;
            g = next;
        }
    }
}

double erf_near(const ErfTable *t, double x)
{
    const double a = fabs(x);
    if (!(a < end))
        return exact_erf(x);
    const int i = (int)(a * cells + 0.5);
    const double h = a - i / cells;
    const double *term = t->term[i];
    double y = term[ERF_TERMS - 1];
    for (int n = ERF_TERMS - 2; n >= 0; n--)
        y = y * h + term[n];
    return x < 0 ? -y : y;
}
