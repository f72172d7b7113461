/* A hundred AdamW updates against float64 PyTorch. */
#include "fixture/golden.h"

#include "train/adamw.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char source[] = "src/train/adamw.c";

static void a_hundred_updates(void **state)
{
    (void)state;
    Golden g;
    golden_open(&g, "train/adamw");
    const json_t *rate = json_object_get(g.notes.root, "rate");
    int64_t steps = golden_tensor(&g, "gradient")->dim[0], n = golden_tensor(&g, "gradient")->dim[1];
    float *p = golden_floats(&g, "start"), *gradient = golden_floats(&g, "gradient"),
          *m = calloc((size_t)n, sizeof *m), *v = calloc((size_t)n, sizeof *v);
    assert_true(m && v && (int64_t)json_array_size(rate) == steps);
    const LevelConfig o = {.beta1 = golden_number(&g, "beta1"),
                           .beta2 = golden_number(&g, "beta2"),
                           .epsilon = golden_number(&g, "epsilon")};
    bool good = true;
    for (int64_t t = 1; t <= steps; t++) {
        char name[30];
        adamw_update(p, m, v, gradient + (t - 1) * n, n, 1,
                     json_number_value(json_array_get(rate, (size_t)t - 1)),
                     golden_number(&g, "weight_decay"), &o, t);
        snprintf(name, sizeof name, "p.%lld", (long long)t);
        if (golden_has(&g, name))
            good &= golden_close_to(&g, name, p, n, golden_pass_limit, source);
    }
    golden_close(&g);
    free(p);
    free(gradient);
    free(m);
    free(v);
    if (!good)
        fail_msg("read %s", source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_hundred_updates)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
