"""Makes the cases of this folder: models that LightGBM 4.6 trains on wide, sparse data.

    python make.py               # the cases here
    python make.py random N DIR [FIRST]  # N others, for a closer look: HANJI_BUNDLE_CASES=DIR go test ./gbdt -run Bundle

A case has no data: both sides make it from a hash of the seed, the row and the column, see cells().
"""

import json, os, random, sys, tempfile
import lightgbm as lgb
import numpy as np


def uniform(seed, stream, rows):
    """splitmix64 of seed, stream and row, as a number in [0, 1)."""
    with np.errstate(over="ignore"):
        z = np.arange(rows, dtype=np.uint64) + np.uint64(stream) * np.uint64(1 << 32) + np.uint64(seed) * np.uint64(0xD1342543DE82EF95)
        z *= np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(11)).astype(np.float64) / (1 << 53)


def cells(case, rows, seed):
    """Columns of [kind, …]:
    ["hot", source, categories, which, extra]  1 where a source of categories says so, and in a share of other rows
    ["sparse", share, levels, base, nan]       one of so many levels in a share of rows, in a share of these NaN; base elsewhere
    """
    out = np.zeros((rows, len(case["columns"])))
    for j, c in enumerate(case["columns"]):
        u = uniform(seed, 2 * j, rows)
        if c[0] == "hot":
            out[:, j] = (np.floor(uniform(seed, 1000001 + 2 * c[1], rows) * c[2]) == c[3]) | (u < c[4])
        else:
            v = uniform(seed, 2 * j + 1, rows)
            out[:, j] = np.where(u < c[1], np.floor(v * c[2]) / 4 - c[2] // 8 * 0.25, c[3])
            out[:, j][u < c[1] * c[4]] = np.nan
    y = np.floor(uniform(seed, 999, rows) * 64) / 64
    for j in range(len(case["columns"])):
        y += np.nan_to_num(out[:, j], nan=3) * ((j * 7) % 11 - 5) / 8
    return out, y


def dataset(case, rows, seed, folder, reference=None):
    x, y = cells(case, rows, seed)
    p = case["params"]
    kw = dict(params=dict(p), reference=reference, categorical_feature=case["categorical"] or "auto")
    if case["file"]:
        path = os.path.join(folder, "%d.txt" % seed)
        with open(path, "w") as f:
            for row, label in zip(x, y):
                text = [",%r" % float(v) for v in row] if case["file"] == "csv" else [" %d:%r" % (j, float(v)) for j, v in enumerate(row) if v != 0]
                f.write(repr(float(label)) + "".join(text) + "\n")
        return lgb.Dataset(path, **kw)
    return lgb.Dataset(x, y, **kw)


def finish(case):
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if "forced" in case:
            with open("forced.json", "w") as f:
                json.dump(case["forced"], f)
        train = dataset(case, case["rows"], case["seed"], folder)
        valid = dataset(case, case["valid"], case["seed"] + 1, folder, train)
        evals = {}
        m = lgb.train(case["params"], train, case["rounds"], valid_sets=[train, valid], valid_names=["train", "valid"], callbacks=[lgb.record_evaluation(evals)])
        case["model"] = m.model_to_string()
        case["evals"] = [evals[k]["l2"] for k in ("train", "valid")]
    return case


BASE = {"objective": "regression", "metric": "l2", "num_threads": 1, "verbosity": -1, "num_leaves": 12, "learning_rate": 0.3, "min_data_in_leaf": 5}


def case(name, rows, columns, categorical=(), file="", rounds=3, **params):
    return {"name": name, "rows": rows, "valid": 300, "seed": 1 + sum(map(ord, name)), "columns": columns, "categorical": list(categorical),
            "file": file, "rounds": rounds, "params": {**BASE, **params}}


def hots(source, n, extra=0.0):
    return [["hot", source, n, k, extra] for k in range(n)]


def cases():
    dense = [["sparse", 1, 50, 0, 0], ["sparse", 0.7, 30, 0, 0.1]]
    rare = [["sparse", 0.0003 * (k % 3 + 1), 6, 0, 0] for k in range(30)]
    busy = [["sparse", 0.1, 3 + k % 9, 0, 0.2 * (k % 2)] for k in range(40)]
    common = [["sparse", 0.02, 8, 1, 0.1 * (k % 2)] for k in range(12)]
    yield case("hot", 2000, hots(0, 12) + dense + hots(1, 30) + hots(2, 7))
    yield case("conflicts", 30000, rare + hots(0, 9, 0.00002) + dense, min_data_in_leaf=3)
    ones = [["sparse", 0.0009, 1, 1 + k % 2, 0] for k in range(11)]
    yield case("base", 30000, rare[:6] + ones + rare[:6], min_data_in_leaf=3)
    c = case("base_file", 30000, rare[:6] + ones + rare[:6], file="svm", min_data_in_leaf=3)
    yield c
    yield dict(c, name="base_csv", file="csv")
    yield case("many", 2000, busy + hots(0, 9))
    yield case("many_base", 2000, busy + common, file="svm")
    yield case("zero_missing", 2000, hots(0, 20) + busy[:10] + dense, zero_as_missing=True)
    yield case("no_missing", 2000, hots(0, 20) + busy[:10] + dense, use_missing=False)
    yield case("wide", 4000, [["sparse", 0.0, 1, 0, 0]] + [["sparse", 0.02, 60, 0, 0.1] for k in range(5)] + [["hot", 0, 300, k, 0] for k in range(300)], min_data_in_leaf=2, min_data_in_bin=1)
    yield case("categorical", 3000, [["sparse", 0.04, 9, 0, 0] for k in range(9)] + hots(1, 9) + dense, categorical=[0, 1, 2, 3, 4, 5, 6], min_data_per_group=5, cat_smooth=1)
    yield case("extra_trees", 2000, busy[:20] + hots(0, 12) + dense, extra_trees=True, extra_seed=3)
    yield case("no_sparse", 2000, busy[:20] + hots(0, 12) + dense, extra_trees=True, is_enable_sparse=False)
    yield case("no_bundle", 2000, busy[:20] + hots(0, 12) + dense, extra_trees=True, enable_bundle=False)
    yield case("sampled", 4000, busy + hots(0, 12) + dense, bagging_fraction=0.5, bagging_freq=1, feature_fraction=0.6, feature_fraction_bynode=0.7)
    yield case("monotone", 2000, hots(0, 12) + dense, monotone_constraints=[(k % 3) - 1 for k in range(14)], monotone_constraints_method="advanced",
               interaction_constraints="[0,1,2,3],[4,5,6,7,12],[8,9,10,11,13]")
    c = case("forced", 2000, hots(0, 12) + busy + dense, forcedsplits_filename="forced.json", cegb_penalty_split=0.0001, path_smooth=2)
    c["forced"] = {"feature": 52, "threshold": 3, "left": {"feature": 53, "threshold": 1}, "right": {"feature": 52, "threshold": 6}}
    yield c
    few = [["sparse", 1, 6 + k % 16, 0, 0.1 * (k % 2)] for k in range(24)]
    yield case("packed", 2000, few + hots(0, 9) + hots(1, 30) + busy + [["sparse", 1, 500, 0, 0]], max_bin=600, min_data_in_bin=1, feature_fraction=0.8)
    yield case("packed_file", 2000, few + [["sparse", 0.2, 7, 1, 0.1], ["sparse", 1, 500, 0, 0.1]], file="svm")
    yield case("quantized", 2000, hots(0, 12) + busy + common + dense, use_quantized_grad=True)
    yield case("quantized_hot", 3000, hots(0, 12) + [["sparse", 0.03, 12, 0, 0.3] for k in range(9)] + hots(1, 30) + few, categorical=range(12, 18), use_quantized_grad=True, min_data_per_group=5)
    yield case("quantized_base", 30000, rare[:6] + ones + rare[:6] + dense, use_quantized_grad=True, num_grad_quant_bins=16, quant_train_renew_leaf=True)
    yield case("linear", 2000, hots(0, 12) + busy + dense, linear_tree=True)


def anything(r, k):
    n = r.choice([3, 10, 40, 100])
    columns = []
    for _ in range(r.randint(1, 5)):
        match r.randint(0, 3):
            case 0:
                columns += hots(k % 1000 + len(columns), r.choice([3, 8, 20, 80]), r.choice([0, 0, 0.0001, 0.01]))
            case 1:
                columns += [["sparse", r.choice([0.001, 0.01, 0.1, 0.3]), r.choice([1, 2, 8, 40, 300]), 0, r.choice([0, 0.1])] for _ in range(n)]
            case 2:
                columns += [["sparse", r.choice([0.002, 0.02, 0.2]), r.choice([2, 8, 40]), r.choice([0, 1, -1]), r.choice([0, 0.3, 1])] for _ in range(n)]
            case 3:
                columns += [["sparse", r.choice([0.5, 1]), r.choice([4, 100, 1000]), 0, 0]]
    p = dict(BASE, num_leaves=r.choice([4, 15, 31]), min_data_in_leaf=r.choice([1, 5, 20]), min_data_in_bin=r.choice([1, 3]))
    for name, values in dict(extra_trees=[True], zero_as_missing=[True], use_missing=[False], is_enable_sparse=[False], enable_bundle=[False], feature_fraction=[0.5],
                             bagging_fraction=[0.3, 0.7], max_bin=[15, 600], bin_construct_sample_cnt=[300, 11000], feature_pre_filter=[False], data_random_seed=[9],
                             max_cat_to_onehot=[1, 30], cat_smooth=[1], min_data_per_group=[3], lambda_l1=[0.1], force_col_wise=[True], force_row_wise=[True]).items():
        if r.random() < 0.2:
            p[name] = r.choice(values)
    if r.random() < 0.3 and "bagging_fraction" not in p:
        p.update(use_quantized_grad=True, num_grad_quant_bins=r.choice([4, 16]), quant_train_renew_leaf=r.random() < 0.5, stochastic_rounding=r.random() < 0.8)
    p["bagging_freq"] = 1
    if p.get("force_col_wise"):
        p.pop("force_row_wise", None)
    categorical = r.sample(range(len(columns)), r.randint(1, len(columns))) if r.random() < 0.3 else []
    return dict(case("random%d" % k, r.choice([500, 2000, 12000, 35000]), columns, sorted(categorical), r.choice(["", "", "svm", "csv"]), **p), seed=k)


here = os.path.dirname(os.path.abspath(__file__))
if len(sys.argv) > 1:
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    list_ = [anything(random.Random(k), k) for k in range(first, first + int(sys.argv[2]))]
    here = os.path.abspath(sys.argv[3])
else:
    list_ = list(cases())
for c in list_:
    path = os.path.join(here, c["name"] + ".json")
    try:
        finish(c)
    except lgb.basic.LightGBMError as e:
        print(c["name"], e)
        continue
    with open(path, "w") as f:
        json.dump(c, f)
        f.write("\n")
