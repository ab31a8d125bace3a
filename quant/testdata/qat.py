#!/usr/bin/env python3
"""Reference numbers of LLM-QAT's SymQuantizer, forward and backward.

Made with torch 2.15.0, safetensors 0.8.0, Python 3.11, CPU; the oracle is models/utils_quant.py of a checkout of
facebookresearch/LLM-QAT (a4cb5d4), imported and not copied:
    python qat.py --llmqat CHECKOUT --out golden/qat [--seed 1]
Writes OUT/absmax/{case.json,case.safetensors}.
"""
import argparse, importlib.util, json
from pathlib import Path

import torch
from safetensors.torch import save_file

p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
p.add_argument("--llmqat", required=True)
p.add_argument("--out", required=True)
p.add_argument("--seed", type=int, default=1)
a = p.parse_args()
spec = importlib.util.spec_from_file_location("utils_quant", Path(a.llmqat) / "models/utils_quant.py")
oracle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(oracle)

g = torch.Generator().manual_seed(a.seed)
x = torch.randn(5, 24, generator=g)
x[1] *= 1000
x[2] = 0
x[3] = torch.arange(-12, 12) / 4  # ties, and ±2 itself
dy = torch.randn(5, 24, generator=g)
t = {"x": x, "dy": dy}
for bits in (3, 4, 8):
    for whole in (False, True):
        v = x.clone().requires_grad_()
        y = oracle.SymQuantizer.apply(v, torch.tensor([-2.0, 2.0]), bits, whole)
        y.backward(dy)
        name = f"{bits}.{'whole' if whole else 'rows'}"
        t[name + ".out"], t[name + ".grad"] = y.detach(), v.grad
doc = {"what": "absmax rounding in training: values, and gradients for dy", "library": f"facebookresearch/LLM-QAT a4cb5d4, torch {torch.__version__}, float32",
       "seed": a.seed, "script": "quant/testdata/qat.py",
       "tol": [{"match": "*.grad", "rtol": 0, "atol": 0, "why": "dy or 0"}, {"match": "*", "rtol": 3e-7, "atol": 0, "why": "a few roundings"}],
       "tensors": {n: {"shape": list(v.shape), "dtype": "F32"} for n, v in t.items()}, "expected": {}}
d = Path(a.out) / "absmax"
d.mkdir(parents=True, exist_ok=True)
save_file({k: v.contiguous() for k, v in t.items()}, str(d / "case.safetensors"))
(d / "case.json").write_text(json.dumps(doc, indent=1) + "\n")
