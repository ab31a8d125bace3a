"""Merges of Hugging Face's BpeTrainer, for TestTrainBPE: python3 make.py > merges.json

Texts are drawn here from a fixed generator, and sha256 of what comes of the pages of dclm/majority_data.jsonl below HANJI_SHARED (not copied) is kept."""
import hashlib, json, os
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

SPECIAL = ["<s>", "</s>", "<|im_end|>"]

def merges(texts, size, least=0):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=size, min_frequency=least, special_tokens=SPECIAL, show_progress=False,
                                                     initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    m = json.loads(t.to_str())["model"]
    return m["vocab"], [tuple(x.split(" ")) if isinstance(x, str) else tuple(x) for x in m["merges"]]

def drawn(n, state=1):
    parts = ["the", "there", "other", "han", "hanji", "paper", "aaaa", "aaaaaaa", "abab", "ababab", "종이", "한지", "한국어", "이다", "를", "12", "1212", "3.14", "…", "🦙",
             "don't", "we'll", "\n", "\n\n", "\t", "  ", ",", ".", "x_1", "ＡＢ", "é", "e\u0301"]
    out = []
    for _ in range(n):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(parts[(state >> 8) % len(parts)] + (" " if state % 3 else ""))
    return "".join(out)

def digest(ms): return hashlib.sha256("\n".join(a + " " + b for a, b in ms).encode()).hexdigest()

texts = [drawn(300, s) for s in range(1, 9)]
cases = []
for size, least in [(300, 0), (420, 0), (2000, 0), (2000, 5)]:
    vocab, ms = merges(texts, size, least)
    cases.append({"vocab_size": size, "min_frequency": least, "size": len(vocab), "merges": len(ms), "sha256": digest(ms), "first": ms[:20], "last": ms[-5:]})
pages = [json.loads(line)["text"] for line in open(os.environ["HANJI_SHARED"] + "/data/dclm/majority_data.jsonl", encoding="utf-8")]
vocab, ms = merges(pages, 4096)
print(json.dumps({"what": "merges of tokenizers' BpeTrainer", "library": "tokenizers " + tokenizers.__version__, "special": SPECIAL, "texts": texts, "cases": cases,
                  "dclm": {"vocab_size": 4096, "size": len(vocab), "merges": len(ms), "sha256": digest(ms), "last": ms[-5:]}}, ensure_ascii=False, indent=1))
