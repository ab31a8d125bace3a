"""Makes the files beside it: clicks that depend on the position, and what LightGBM 4.6.0 trains on them.

    python make.py        (pip install lightgbm==4.6.0; two runs give the same bytes)
"""
import json
import pathlib

import lightgbm as lgb
import numpy as np

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
group = rng.integers(4, 12, 40)
rows = int(group.sum())
x = np.round(rng.standard_normal((rows, 4)), 3)
relevance = x[:, 0] + 0.7 * x[:, 1] * (x[:, 2] > 0)
position = np.concatenate([rng.permutation(n) for n in group])
label = ((relevance + rng.standard_normal(rows) * 0.5 > 0.3) & (rng.random(rows) < 1 / (1 + position / 3))).astype(int)
label = label * rng.integers(1, 4, rows)
weight = np.round(0.5 + rng.random(rows), 2)

(here / "train.csv").write_text("".join(",".join([str(y)] + [repr(float(v)) for v in r]) + "\n" for y, r in zip(label, x)))
(here / "train.csv.query").write_text("".join(f"{n}\n" for n in group))
(here / "train.csv.position").write_text("".join(f"top {p}\n" if p < 3 else f"{p}\n" for p in position))

common = dict(objective="lambdarank", num_leaves=6, min_data_in_leaf=5, learning_rate=0.2, metric="ndcg", eval_at=[1, 3], num_threads=1, verbosity=-1,
              deterministic=True, force_col_wise=True)
cases = {
    "plain": dict(),
    "regularized": dict(lambdarank_position_bias_regularization=0.5, lambdarank_truncation_level=5),
    "weights": dict(lambdarank_position_bias_regularization=0.01, lambdarank_norm=False),
    "sampled": dict(bagging_fraction=0.6, bagging_freq=1, feature_fraction=0.7),
    "dart": dict(boosting="dart", drop_rate=0.5, skip_drop=0.2),
    "xendcg": dict(objective="rank_xendcg"),
}
evals = {}
for name, more in cases.items():
    params = common | more
    data = lgb.Dataset(x, label, group=group, position=position, weight=weight if name == "weights" else None, params=params)
    curve = {}
    b = lgb.train(params, data, 8, valid_sets=[data], valid_names=["train"], callbacks=[lgb.record_evaluation(curve)])
    b.save_model(here / f"{name}.txt", num_iteration=-1)
    evals[name] = dict(params={k: v if isinstance(v, str) else json.dumps(v).strip("[]").replace(" ", "") for k, v in params.items()}, evals=curve["train"])
(here / "weights.json").write_text(json.dumps(weight.tolist()) + "\n")
(here / "cases.json").write_text(json.dumps(evals, indent=1) + "\n")
