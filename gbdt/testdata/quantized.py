#!/usr/bin/env python3
"""Models that LightGBM trains with use_quantized_grad, for TestQuantized, which trains them again byte for byte.

requirements: lightgbm==4.6.0 numpy==2.4.6   (Python 3.11, x86-64)
run:    python quantized.py     trains on quantized/data: the first 300 rows of the tables of golden/gbdt
writes: quantized/NAME.txt of each case in quantized/cases.json (params, num_boost_round, data, weight, init_score, categorical_feature,
        continued_from_rounds as in the fixtures' case.json; sorted: rows in the order of falling labels, with ties as they stand)"""
import json, os
import numpy as np, lightgbm as lgb

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "quantized")
side = json.load(open(f"{here}/data/side.json"))
rows = side["train_rows"]
for name, c in json.load(open(f"{here}/cases.json")).items():
    table = np.loadtxt(f"{here}/data/{c['data']}.csv", delimiter=",")[:rows]
    weight, init = np.array(side["weight"][:rows]), np.array(side["init_score"][:rows])
    if c.get("sorted"):
        order = np.argsort(-table[:, 0], kind="stable")
        table, weight, init = table[order], weight[order], init[order]
    base = dict(num_threads=1, deterministic=True, force_col_wise=True, verbosity=-1, num_leaves=8, min_data_in_leaf=10, use_quantized_grad=True)
    params = {**base, **c["params"]}
    data = lambda: lgb.Dataset(table[:, 1:], table[:, 0], params=params, free_raw_data=False, categorical_feature=c.get("categorical_feature", "auto"),
        weight=weight if c.get("weight") else None, init_score=init if c.get("init_score") else None, group=side["query_train"] if c["data"] == "rank" else None)
    first = lgb.train(params, data(), c["continued_from_rounds"]) if c.get("continued_from_rounds") else None
    lgb.train(params, data(), c["num_boost_round"], init_model=first).save_model(f"{here}/{name}.txt")
