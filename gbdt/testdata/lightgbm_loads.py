"""What LightGBM makes of models that hanji wrote, for TestLightGBMLoads: python lightgbm_loads.py FOLDER

Each folder in FOLDER holds model.txt and case.json (rows, labels, what is asked for); out.json is written beside them.
"""
import json
import pathlib
import sys

import lightgbm as lgb
import numpy as np


def out_of(folder):
    case = json.loads((folder / "case.json").read_text())
    file = str(folder / "model.txt")
    x = np.array([[float(v) for v in row] for row in case["rows"]])
    label, group, weight = np.array(case["label"]), case["group"], case["weight"]
    position = np.array(case["position"]) if case["position"] else None
    b = lgb.Booster(model_file=file)
    out = dict(raw=b.predict(x, raw_score=True).ravel().tolist(), pred=b.predict(x).ravel().tolist(),
               leaf=b.predict(x, pred_leaf=True).ravel().tolist(),
               text=b.model_to_string(num_iteration=-1, importance_type="gain" if b.params["saved_feature_importance_type"] else "split"))
    if case["contrib"]:
        out["contrib"] = b.predict(x, pred_contrib=True).ravel().tolist()
    # The parameters are those that the file holds.
    params = {k: v for k, v in b.params.items() if k not in ("early_stopping_round", "metric", "num_iterations")}
    params |= dict(num_threads=1, verbosity=-1, force_col_wise=True, deterministic=True)
    if case["continue"]:
        data = lgb.Dataset(x, label, weight=weight, group=group, position=position, categorical_feature=case["categorical"], params=params)
        more = lgb.train(params, data, num_boost_round=case["continue"], init_model=file)
        out["continued"] = more.model_to_string(num_iteration=-1)
    if case["refit"]:
        again = lgb.Booster(model_file=file)
        again.params = params | dict(boosting="gbdt", bagging_by_query=False)  # else it drops trees, or queries, at random
        moved = again.refit(x, label, decay_rate=case["refit"], weight=weight, group=group, categorical_feature=case["categorical"])
        out["refitted"] = moved.model_to_string(num_iteration=-1)
    return out


for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        out = out_of(folder)
    except lgb.basic.LightGBMError as e:
        out = dict(error=str(e))
    (folder / "out.json").write_text(json.dumps(out))
print("lightgbm", lgb.__version__)
