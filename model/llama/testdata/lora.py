#!/usr/bin/env python3
"""Reference numbers of LoRA: peft's adapters over golden/language/mistral.

Made with peft 0.21.2, torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, Python 3.11, CPU, one thread:
    OMP_NUM_THREADS=1 python lora.py --base golden/language/mistral --out golden [--seed 1]
Writes OUT/lora/NAME/{adapter_config.json,adapter_model.safetensors,case.json,case.safetensors}, the adapter by save_pretrained.
"""
import argparse, hashlib, json, os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import peft
import torch
import transformers
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()

ADAPTERS = {
    "all": dict(r=4, lora_alpha=10, target_modules="all-linear"),
    "rslora": dict(r=3, lora_alpha=5, target_modules=["q_proj", "v_proj", "mlp.down_proj"], use_rslora=True, lora_dropout=0.25,
                   rank_pattern={"layers.1.self_attn.v_proj": 5}, alpha_pattern={"layers.0.mlp.down_proj": 7, "mlp.down_proj": 12}),
}
GRADS = ("layers.0.self_attn.q_proj", "layers.1.self_attn.v_proj", "layers.1.mlp.down_proj")


def make(name, base, out, seed):
    load = lambda: transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    model = load()
    g = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/lora/{name}".encode()).digest()[:6], "little"))
    ids = torch.randint(3, 96, (2, 20), generator=g)
    plain = model(ids).logits.detach()
    p = peft.get_peft_model(model, peft.LoraConfig(task_type="CAUSAL_LM", **ADAPTERS[name])).eval()
    lora = {n.removeprefix("base_model.model.").replace(".default", ""): v for n, v in p.named_parameters() if "lora_" in n}
    for n, v in sorted(lora.items()):
        v.data = torch.randn(v.shape, generator=g) * (0.5 / v.shape[-1] ** 0.5)
    res = p(ids, labels=ids)
    res.loss.backward()
    t = {"ids": ids, "logits": res.logits.detach()}
    for n, v in lora.items():
        if any(k in n for k in GRADS):
            t["grad." + n] = v.grad.clone()
    norms = {n: float(v.grad.norm()) for n, v in lora.items()}
    frozen = [n for n, v in p.named_parameters() if "lora_" not in n and v.grad is not None]
    assert not frozen, frozen
    d = Path(out) / "lora" / name
    d.mkdir(parents=True, exist_ok=True)
    p.peft_config["default"].base_model_name_or_path = "mistral"
    p.save_pretrained(d)
    (d / "README.md").unlink()
    merged = p.merge_and_unload()
    with torch.no_grad():
        t["merged"] = merged(ids).logits
    t["merged.weight"] = merged.state_dict()["model.layers.1.mlp.down_proj.weight"]
    top = lambda n: float(t[n].abs().max())
    tol = [{"match": n, "rtol": 0, "atol": float(f"{1e-4 * top(n):.3g}"), "why": "0.0001 of the tensor's max"} for n in t if n.startswith("grad.")]
    tol += [{"match": "grad_norm", "rtol": 1e-4, "atol": 0, "why": "as the gradients"},
            {"match": "merged.weight", "rtol": 0, "atol": 1e-6, "why": "one product of a few terms below 1"},
            {"match": "loss", "rtol": 0, "atol": 1e-5, "why": "loss"},
            {"match": "*", "rtol": 0, "atol": 2e-4, "why": "logits, as golden/language's"}]
    doc = {"what": f"LoRA adapter {name} over the tiny mistral: logits, loss, gradients of the adapters, merged weights",
           "library": f"peft {peft.__version__}, transformers {transformers.__version__}, torch {torch.__version__}, float32, eager attention, CPU",
           "seed": seed, "script": "model/llama/testdata/lora.py", "tol": tol,
           "tensors": {n: {"shape": list(v.shape), "dtype": {torch.int64: "I64"}.get(v.dtype, "F32")} for n, v in t.items()},
           "expected": {"loss": float(res.loss.detach()), "grad_norm": norms},
           "extra": {"the_adapter_moves_logits_by": float((t["logits"] - plain).abs().max()), "merging_moves_them_by": float((t["merged"] - t["logits"]).abs().max())}}
    save_file({k: v.contiguous().clone() for k, v in t.items()}, str(d / "case.safetensors"))
    (d / "case.json").write_text(json.dumps(doc, indent=1) + "\n")
    print(name, doc["expected"]["loss"], doc["extra"], sorted(norms)[:8])


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=1)
    a = p.parse_args()
    for name in ADAPTERS:
        make(name, a.base, a.out, a.seed)
