"""Writes tests/fixtures/preparation_vectors.json: what scikit-learn makes of a small stream, for src/retrain/design.rs.

    pip install scikit-learn && python scripts/preparation_vectors.py > tests/fixtures/preparation_vectors.json

Encoded as of its own time, a row has what TargetEncoder gives it when fitted to the rows whose event was earlier and whose
label was known earlier; null while they are fewer than `first_known`.
"""
import collections
import json

import numpy as np
import sklearn
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler, TargetEncoder

FIRST_KNOWN = 100
WEIGHT = 7.5
QUANTILES = (0.05, 0.9)
UNSEEN = 99

rng = np.random.default_rng(20261121)
n = 420
at = np.sort(rng.integers(0, 200, n))  # hours, with ties
known_at = at + rng.integers(0, 30, n)
category = rng.choice(15, n, p=rng.dirichlet(np.ones(15) * 0.7))  # 0 is missing
label = (rng.random(n) < 0.1 + 0.05 * (category % 7)).astype(int)
number = np.round(rng.lognormal(1.0, 1.5, n), 4)
number[rng.random(n) < 0.1] = np.nan


def texts(codes):
    return np.array([[None if code == 0 else f"c{code}"] for code in codes], dtype=object)


def encoder(rows):
    fitted = TargetEncoder(smooth=WEIGHT, target_type="continuous")
    return fitted.fit(texts(category[rows]), label[rows].astype(float))


ordered = []
for row in range(n):
    earlier = np.flatnonzero(np.maximum(at, known_at) < at[row])
    known = len(earlier) >= FIRST_KNOWN
    ordered.append(float(encoder(earlier).transform(texts(category[[row]]))[0, 0]) if known else None)

present = number[~np.isnan(number)]
probes = [-3.0, 0.0, 0.5, 2.7, 40.0, 1e6]
column = np.array(probes)[:, None]
codes = list(range(15)) + [UNSEEN]
standard = StandardScaler().fit(number[:, None])
quantiles = np.quantile(present, QUANTILES)
between = MinMaxScaler(clip=True).fit(quantiles[:, None])
counts = collections.Counter(category.tolist())
imputed = {
    how: SimpleImputer(strategy=how, add_indicator=True).fit(number[:, None]).transform([[np.nan], [4.0]]).tolist()
    for how in ("mean", "median")
}
print(json.dumps({
    "about": "Expected values of scikit-learn for src/retrain/design.rs, written by scripts/preparation_vectors.py. at and known_at in hours; category 0 is missing; null is missing.",
    "versions": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
    "first_known": FIRST_KNOWN,
    "prior_weight": WEIGHT,
    "quantiles": QUANTILES,
    "rows": [
        {"at": int(a), "known_at": int(k), "category": int(c), "number": None if np.isnan(x) else float(x), "label": int(y)}
        for a, k, c, x, y in zip(at, known_at, category, number, label)
    ],
    "ordered": ordered,
    "codes": codes,
    "target": encoder(np.arange(n)).transform(texts(codes))[:, 0].tolist(),
    "frequency": [counts[code] / n for code in codes],
    "probes": probes,
    "standardised": standard.transform(column)[:, 0].tolist(),
    "normalised": MinMaxScaler(clip=True).fit(number[:, None]).transform(column)[:, 0].tolist(),
    "normalised_between": between.transform(column)[:, 0].tolist(),
    "imputed": imputed,
}, indent=None, separators=(",", ":")))
