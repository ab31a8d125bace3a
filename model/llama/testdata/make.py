#!/usr/bin/env python3
"""Reference numbers of Llama's kin that the shared fixtures lack: Mistral and Qwen2 with sliding windows, Qwen3, Gemma 3 (text).

Made with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0, Python 3.11, CPU, one thread:
    OMP_NUM_THREADS=1 python make.py --out DIR [--seed 1] [--only mistral,...]
Writes DIR/NAME/{config.json,model.safetensors,case.json,case.safetensors}: a tiny model of seeded random weights, rounded to
bfloat16 for the file and computed in float32. T is 24, longer than every window, so that windows show.
"""
import argparse, hashlib, json, os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import torch
import transformers
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()

COMMON = dict(vocab_size=96, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0)
MODELS = {
    "mistral": ("MistralConfig", "MistralForCausalLM", dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        rms_norm_eps=1e-5, tie_word_embeddings=False, hidden_act="silu", sliding_window=6), dict(rope_theta=10000.0)),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", dict(
        hidden_size=32, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        rms_norm_eps=1e-6, tie_word_embeddings=True, hidden_act="silu", sliding_window=7, use_sliding_window=True,
        max_window_layers=1), dict(rope_theta=1000000.0)),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=1, head_dim=16,
        rms_norm_eps=1e-6, tie_word_embeddings=False, hidden_act="silu", attention_bias=False), dict(rope_theta=1000000.0)),
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", dict(
        hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=12,
        rms_norm_eps=1e-6, tie_word_embeddings=True, hidden_activation="gelu_pytorch_tanh", query_pre_attn_scalar=10,
        sliding_window=6, layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]),
        dict(rope_theta=1000000.0, rope_local_base_freq=10000.0, rope_scaling={"rope_type": "linear", "factor": 8.0})),
}


def redraw(model, g):
    """Every parameter from a seeded normal, rounded to what the file holds."""
    for name, p in sorted(model.named_parameters()):
        r = torch.randn(p.shape, generator=g)
        if "norm" in name:
            w = 0.2 * r if "Gemma" in type(model).__name__ else 1 + 0.2 * r
        elif name.endswith("bias"):
            w = 0.3 * r
        elif "embed" in name:
            w = r * (0.5 if model.config.tie_word_embeddings else 1.0)
        else:
            w = r * 1.4 / p.shape[-1] ** 0.5
        p.data = w.to(torch.bfloat16).float()


def make(name, out, seed):
    cfg_class, model_class, keys, rope = MODELS[name]
    if name == "gemma3":
        rope_parameters = {"sliding_attention": {"rope_type": "default", "rope_theta": rope["rope_local_base_freq"]},
                           "full_attention": {"rope_theta": rope["rope_theta"], **rope["rope_scaling"]}}
    else:
        rope_parameters = {"rope_type": "default", **rope}
    cfg = getattr(transformers, cfg_class)(**keys, **COMMON, rope_parameters=rope_parameters, attn_implementation="eager")
    model = getattr(transformers, model_class)(cfg).eval().float()
    g = torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:6], "little"))
    redraw(model, g)
    if keys["tie_word_embeddings"]:
        model.tie_weights()
    ids = torch.randint(3, 96, (2, 24), generator=g)
    mask = torch.ones_like(ids)
    mask[1, 15:], ids[1, 15:] = 0, 0
    labels = ids.masked_fill(mask == 0, -100)
    model.zero_grad()
    res = model(ids, attention_mask=mask, labels=labels, output_hidden_states=True)
    res.loss.backward()
    keep = lambda x: x.detach() * mask[..., None]
    t = {"ids": ids, "mask": mask, "logits": keep(res.logits)}
    for i, h in enumerate(res.hidden_states[:-1]):
        t[f"hidden.{i}"] = keep(h)
    t["hidden.final"] = keep(res.hidden_states[-1])
    norms = {n: float(p.grad.norm()) for n, p in model.named_parameters()}
    for n in ("model.layers.1.self_attn.k_proj.weight", "model.layers.0.input_layernorm.weight", "model.layers.1.mlp.up_proj.weight"):
        t["grad." + n] = dict(model.named_parameters())[n].grad
    cur, gap = ids[:1, :10], float("inf")
    with torch.no_grad():
        for _ in range(24):
            top = model(cur).logits[0, -1].topk(2)
            gap = min(gap, float(top.values[0] - top.values[1]))
            cur = torch.cat([cur, top.indices[:1][None]], 1)
        double = getattr(transformers, model_class)(cfg).eval().double()
        double.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
        twin = max(float((double(ids[r:r + 1, :n]).logits[0] - res.logits[r, :n]).abs().max()) for r, n in ((0, 24), (1, 15)))  # a padded row is NaN there
        wide = getattr(transformers, cfg_class)(**{**keys, "sliding_window": 4096}, **COMMON, rope_parameters=rope_parameters, attn_implementation="eager") if "sliding_window" in keys else None
        moved = None
        if wide is not None:
            other = getattr(transformers, model_class)(wide).eval().float()
            other.load_state_dict(model.state_dict())
            moved = float((keep(other(ids, attention_mask=mask).logits) - keep(res.logits)).abs().max())
    t["greedy"] = cur[0, 10:]
    top = lambda n: float(t[n].abs().max())
    tol = [{"match": n, "rtol": 0, "atol": float(f"{1e-4 * top(n):.3g}"), "why": "0.0001 of the tensor's max"} for n in t if n.startswith("grad.")]
    tol += [{"match": n, "rtol": 0, "atol": float(f"{1e-5 * top(n):.3g}"), "why": "1e-05 of the tensor's max"} for n in t if n.startswith("hidden.")]
    tol += [{"match": "grad_norm", "rtol": 1e-4, "atol": 0, "why": "as the gradients"},
            {"match": "loss", "rtol": 0, "atol": 1e-5, "why": "loss"},
            {"match": "greedy", "rtol": 0, "atol": 0, "why": "integers"},
            {"match": "*", "rtol": 0, "atol": 2e-4, "why": "logits, as golden/language's"}]
    doc = {"what": f"{name} decoder, tiny random weights: hidden states, logits, loss, gradients, greedy decoding",
           "library": f"transformers {transformers.__version__}, torch {torch.__version__}, float32, eager attention, CPU", "seed": seed,
           "script": "model/llama/testdata/make.py", "tol": tol,
           "tensors": {n: {"shape": list(v.shape), "dtype": {torch.int64: "I64"}.get(v.dtype, "F32")} for n, v in t.items()},
           "expected": {"loss": float(res.loss.detach()), "grad_norm": norms},
           "extra": {"greedy": {"prompt": "ids[0,:10]", "smallest_gap_top1_top2": gap}, "float64_twin_max_abs_diff": twin,
                     "without_the_window_logits_move_by": moved}}
    d = Path(out) / name
    d.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous().clone() for k, v in t.items()}, str(d / "case.safetensors"))
    weights = {k: v.to(torch.bfloat16).contiguous().clone() for k, v in model.state_dict().items()
               if not (keys["tie_word_embeddings"] and k == "lm_head.weight")}
    save_file(weights, str(d / "model.safetensors"), {"format": "pt"})
    config = {"architectures": [model_class], "model_type": cfg.model_type, "torch_dtype": "bfloat16", **COMMON, **keys, **rope}
    (d / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (d / "case.json").write_text(json.dumps(doc, indent=1) + "\n")
    print(name, "loss", doc["expected"]["loss"], doc["extra"], sorted(weights)[:14])


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--out", required=True)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--only", default="")
    a = p.parse_args()
    for name in a.only.split(",") if a.only else MODELS:
        make(name, a.out, a.seed)
