#!/usr/bin/env python3
"""Writes golden/data/bootstrap.json: 95 % intervals of means of paired lists, and of their differences and the
share of a gap, by numpy. Once with our own random numbers in few draws (exact), once with numpy's in 10,000,
beside the error that such an interval itself has (Monte Carlo)."""
import json

import numpy as np

from common import path
from golden_metrics import MASK, mix

COUNT, SEED, FEW, DRAWS, REPEATS = 203, 11, 400, 10000, 40


def lists():
    """Scores of a student, an aligned student and a teacher on the same questions; the first of them lacks some."""
    rng = np.random.default_rng(5)
    hard = rng.random(COUNT)
    out = [np.round(np.clip((rng.random(COUNT) * 0.6 + skill > hard) * rng.choice([1, 1, 2 / 3, 1 / 3], COUNT), 0, 1), 6)
           for skill in (0.0, 0.25, 0.5)]
    out[0][::29] = np.nan
    return np.array(out)


def own_questions(draw):
    golden, out = 0x9E3779B97F4A7C15, []
    key = mix(mix(SEED + golden) + draw + golden & MASK)
    for k in range((COUNT + 1) // 2):
        x = mix(key + k + golden & MASK)
        out += [(x & 0xFFFFFFFF) * COUNT >> 32, (x >> 32) * COUNT >> 32]
    return out[:COUNT]


def intervals(values, questions):
    """Of the three means, teacher - student, aligned - student, and the share closed."""
    s, a, t = means = np.array([np.nanmean(values[:, q], axis=1) for q in questions]).T
    of = np.array([*means, t - s, a - s, (a - s) / (t - s)])
    return np.percentile(of, [2.5, 97.5], axis=1).T


def main():
    values = lists()
    rng = np.random.default_rng(99)
    runs = np.array([intervals(values, rng.integers(0, COUNT, (DRAWS, COUNT))) for _ in range(REPEATS)])
    file = dict(lists=[[None if np.isnan(x) else x for x in v] for v in values], seed=SEED, few=FEW, draws=DRAWS,
                exact=intervals(values, [own_questions(d) for d in range(FEW)]).tolist(), mean=runs.mean(0).tolist(),
                error=runs.std(0, ddof=1).tolist())
    with open(path("golden", "data", "bootstrap.json"), "w") as f:
        json.dump(file, f)
    print("golden/data/bootstrap.json", file["mean"], file["error"])


if __name__ == "__main__":
    main()
