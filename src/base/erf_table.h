/* erf from a table, several times faster than exact_erf() and never far from it: where that is near enough
 * to settle a float32 result, the result is exact_erf()'s, bit for bit. */
#ifndef MPA_BASE_ERF_TABLE_H
#define MPA_BASE_ERF_TABLE_H

enum { ERF_CELLS = 49, ERF_TERMS = 12 };

typedef struct {
    double term[ERF_CELLS][ERF_TERMS];
} ErfTable;

/* More than |erf_near() - exact_erf()| can be: 3e-15 of exact_erf() itself, as much of the table's, 1e-16 of
 * the series, and the roundings of 12 sums below 1: 7e-15 in all. */
#define ERF_NEAR 2e-14

void erf_table_make(ErfTable *t);
double erf_near(const ErfTable *t, double x);

#endif
