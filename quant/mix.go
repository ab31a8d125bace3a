package quant

import (
	"fmt"
	"strings"
)

// FileType names a recipe for a whole model, such as Q4_K_M: most tensors get one
// type, those that matter more get a better one. The value is what a GGUF says as
// "general.file_type".
type FileType int

// Mix chooses the type of each tensor of a model as llama.cpp's quantiser does
// (llama-quant.cpp, llama_tensor_get_type).
type Mix struct {
	FileType   FileType
	Layers     int  // "block_count"
	GQA        int  // query heads for each key/value head; 0 is 1
	Experts    int  // "expert_count"; 0 for a dense model. Eight have rules of their own.
	Tied       bool // no output.weight: the embedding is the output layer too
	Importance bool // whether there is an importance matrix
}

// mix is a row of the table. A role's choices are tried in order; the first whose condition holds
// decides, else it is base.
type mix struct {
	name              string
	base              Type
	output            Type // Q6_K where 0
	embedding         Type // base where 0
	v, k, q, out      []choice
	down, gateUp      []choice
	twoBits           bool // rules of IQ1 and IQ2: no Q8_0 for attention of eight experts
	outOfEightExperts Type // base where 0
}

type choice struct {
	t    Type
	when func(p place) bool // nil: always
}

// place is what conditions look at.
type place struct {
	Mix
	layer int
}

func grouped(p place) bool        { return p.GQA >= 4 }
func groupedOrMixed(p place) bool { return p.GQA >= 4 || p.Experts >= 4 }
func eight(p place) bool          { return p.Experts == 8 }
func first2(p place) bool         { return p.layer < 2 }
func first4(p place) bool         { return p.layer < 4 }
func first16th(p place) bool      { return p.layer < p.Layers/16 }
func first8th(p place) bool       { return p.layer < p.Layers/8 }
func middle(p place) bool         { return p.layer >= p.Layers/8 && p.layer < 7*p.Layers/8 }
func blind(p place) bool          { return !p.Importance }
func blindFirst8th(p place) bool  { return !p.Importance && first8th(p) }
func aidedFirst8th(p place) bool  { return p.Importance && first8th(p) }
func eightMore(p place) bool      { return p.Experts == 8 && more(p) }

// more is the first and the last eighth of the layers, and every third between.
func more(p place) bool {
	eighth := p.Layers / 8
	return p.layer < eighth || p.layer >= 7*p.Layers/8 || (p.layer-eighth)%3 == 2
}

// always is the one choice.
func always(t Type) []choice { return []choice{{t, nil}} }

// fileTypes by llama.cpp's number (llama.h, enum llama_ftype).
var fileTypes = map[FileType]mix{
	0:  {name: "F32", base: F32},
	1:  {name: "F16", base: F16},
	32: {name: "BF16", base: BF16},
	7:  {name: "Q8_0", base: Q8_0, output: Q8_0},
	2:  {name: "Q4_0", base: Q4_0, down: []choice{{Q4_1, aidedFirst8th}}},
	3:  {name: "Q4_1", base: Q4_1},
	8:  {name: "Q5_0", base: Q5_0, down: []choice{{Q5_1, aidedFirst8th}}},
	9:  {name: "Q5_1", base: Q5_1},

	10: {name: "Q2_K", base: Q2_K, v: []choice{{Q4_K, grouped}, {Q3_K, nil}}, out: always(Q3_K), down: always(Q3_K), outOfEightExperts: Q5_K},
	21: {name: "Q2_K_S", base: Q2_K, v: []choice{{Q4_K, grouped}}, down: []choice{{Q4_K, first8th}}},
	11: {name: "Q3_K_S", base: Q3_K, outOfEightExperts: Q5_K},
	12: {name: "Q3_K_M", base: Q3_K, v: []choice{{Q5_K, first2}, {Q4_K, nil}}, out: always(Q4_K), down: []choice{{Q5_K, first16th}, {Q4_K, nil}}, outOfEightExperts: Q5_K},
	13: {name: "Q3_K_L", base: Q3_K, v: always(Q5_K), out: always(Q5_K), down: always(Q5_K)},
	14: {name: "Q4_K_S", base: Q4_K, v: []choice{{Q5_K, first4}}, down: []choice{{Q5_K, first8th}}, outOfEightExperts: Q5_K},
	15: {name: "Q4_K_M", base: Q4_K, v: []choice{{Q6_K, more}}, down: []choice{{Q6_K, more}}, outOfEightExperts: Q5_K},
	16: {name: "Q5_K_S", base: Q5_K},
	17: {name: "Q5_K_M", base: Q5_K, v: []choice{{Q6_K, more}}, down: []choice{{Q6_K, more}}},
	18: {name: "Q6_K", base: Q6_K},

	25: {name: "IQ4_NL", base: IQ4_NL, v: []choice{{Q5_K, grouped}}, down: []choice{{Q5_K, blindFirst8th}}, outOfEightExperts: Q5_K},
	30: {name: "IQ4_XS", base: IQ4_XS, v: []choice{{Q5_K, grouped}}, down: []choice{{Q5_K, blindFirst8th}}, outOfEightExperts: Q5_K},

	23: {name: "IQ3_XXS", base: IQ3_XXS, output: Q5_K, embedding: IQ3_S, v: []choice{{Q4_K, grouped}, {IQ3_S, blind}}, k: always(IQ2_S), q: always(IQ2_S),
		out: always(IQ3_S), down: []choice{{Q4_K, blindFirst8th}, {Q3_K, blind}}, outOfEightExperts: Q5_K},
	22: {name: "IQ3_XS", base: IQ3_S, v: []choice{{Q4_K, grouped}}, k: always(IQ3_XXS), q: always(IQ3_XXS), gateUp: []choice{{IQ3_XXS, middle}}, outOfEightExperts: Q5_K},
	26: {name: "IQ3_S", base: IQ3_S, v: []choice{{Q4_K, grouped}}, outOfEightExperts: Q5_K},
	27: {name: "IQ3_M", base: IQ3_S, v: always(Q4_K), out: always(Q4_K), down: []choice{{Q4_K, first8th}, {Q4_K, eightMore}}, outOfEightExperts: Q5_K},

	19: twoBits(mix{name: "IQ2_XXS", base: IQ2_XXS}, Q2_K),
	20: twoBits(mix{name: "IQ2_XS", base: IQ2_XS}, Q2_K),
	28: twoBits(mix{name: "IQ2_S", base: IQ2_XS, out: always(IQ3_S)}, IQ3_S),
	29: twoBits(mix{name: "IQ2_M", base: IQ2_S, out: always(IQ3_S)}, IQ3_S),
	24: twoBits(mix{name: "IQ1_S", base: IQ1_S, out: always(IQ2_XXS)}, Q2_K),
	31: twoBits(mix{name: "IQ1_M", base: IQ1_M, out: always(IQ2_XXS)}, Q2_K),
}

// twoBits adds what the types below three bits share; better is what they give the tensors that
// would suffer most.
func twoBits(m mix, better Type) mix {
	m.output, m.embedding, m.outOfEightExperts, m.twoBits = Q5_K, better, Q5_K, true
	m.v = []choice{{Q4_K, groupedOrMixed}, {better, nil}}
	m.k = []choice{{Q4_K, eight}}
	m.down = []choice{{better, first8th}}
	return m
}

// ParseFileType finds a recipe by its name, in upper or lower case.
func ParseFileType(name string) (FileType, error) {
	for id, m := range fileTypes {
		if strings.EqualFold(m.name, name) {
			return id, nil
		}
	}
	return 0, fmt.Errorf("quant: file type %q is not known; Q4_K_M and Q8_0 are two of %d", name, len(fileTypes))
}

// String is the recipe's name, such as "Q4_K_M".
func (f FileType) String() string {
	if m, ok := fileTypes[f]; ok {
		return m.name
	}
	return fmt.Sprintf("file type %d", int(f))
}

// TypeOf is the type that a tensor gets, by its name in GGUF ("blk.3.attn_v.weight") and its shape
// [..., rows, columns]. What is not quantised (norms, vectors, the router) is F32. Rows that are no
// whole blocks get a type of blocks of 32, and F16 where they are no multiple of 32 either. A
// type of less than three bits without an importance is an error, as in llama.cpp: such models
// babble.
//
// Not covered: the architectures that llama.cpp treats by name (Falcon, BERT's embeddings, RWKV,
// Mamba), and MXFP4_MOE.
func (m Mix) TypeOf(name string, shape []int) (Type, error) {
	rules, ok := fileTypes[m.FileType]
	if !ok {
		return 0, fmt.Errorf("quant: %s is not known", m.FileType)
	}
	if len(shape) < 2 || !strings.HasSuffix(name, "weight") || strings.Contains(name, "_norm.weight") || strings.Contains(name, "ffn_gate_inp.weight") {
		return F32, nil
	}
	if rules.base.Block() == 1 {
		return rules.base, nil
	}
	layer := -1
	if _, err := fmt.Sscanf(name, "blk.%d.", &layer); err == nil && (layer < 0 || layer >= m.Layers) {
		return 0, fmt.Errorf("quant: tensor %q: the model has %d layers", name, m.Layers)
	}
	cols := shape[len(shape)-1]
	t := fallback(rules.choose(name, cols, place{m, layer}), cols)
	if needsImportance(t, rules.name) && !m.Importance && name != "token_embd.weight" && name != "output.weight" {
		return 0, fmt.Errorf("quant: tensor %q: %s in a file of type %s needs an importance matrix", name, t, rules.name)
	}
	return t, nil
}

// choose applies the rules of one file type, for rows of any length.
func (r *mix) choose(name string, cols int, p place) Type {
	part := name[strings.LastIndexByte(strings.TrimSuffix(name, ".weight"), '.')+1:]
	part = strings.TrimSuffix(part, ".weight")
	switch {
	case part == "output", part == "token_embd" && p.Tied:
		switch {
		case cols%r.base.Block() != 0:
			return Q8_0
		case r.output != 0:
			return r.output
		}
		return Q6_K
	case part == "token_embd":
		if r.embedding != 0 {
			return r.embedding
		}
	case part == "attn_v", part == "attn_qkv", part == "attn_kv_b":
		t := pick(r.v, r.base, p)
		if r.twoBits {
			return t
		}
		if p.Layers == 80 && (t == Q3_K || t == Q4_K) {
			t = Q5_K // what llama.cpp takes for the 70B model, whose attn_v is an eighth of attn_q
		}
		if p.Experts == 8 {
			return Q8_0
		}
		return t
	case part == "attn_k":
		if p.Experts == 8 && !r.twoBits {
			return Q8_0
		}
		return pick(r.k, r.base, p)
	case part == "attn_q":
		return pick(r.q, r.base, p)
	case part == "attn_output":
		if p.Experts != 8 {
			return pick(r.out, r.base, p)
		}
		if r.outOfEightExperts != 0 {
			return r.outOfEightExperts
		}
	case strings.HasPrefix(part, "ffn_down"):
		return pick(r.down, r.base, p)
	case strings.HasPrefix(part, "ffn_gate"), strings.HasPrefix(part, "ffn_up"):
		return pick(r.gateUp, r.base, p)
	}
	return r.base
}

func pick(choices []choice, base Type, p place) Type {
	for _, c := range choices {
		if c.when == nil || c.when(p) {
			return c.t
		}
	}
	return base
}

// fallback is t, or what rows of that length can be instead.
func fallback(t Type, cols int) Type {
	if cols%t.Block() == 0 {
		return t
	}
	switch t {
	case Q2_K, Q3_K, TQ1_0, TQ2_0:
		t = Q4_0
	case Q4_K:
		t = Q5_0
	case Q5_K:
		t = Q5_1
	case Q6_K:
		t = Q8_0
	default:
		t = IQ4_NL
	}
	if cols%t.Block() != 0 {
		return F16
	}
	return t
}

// needsImportance tells which types llama.cpp does not write blindly; Q2_K only as a part of
// Q2_K_S.
func needsImportance(t Type, file string) bool {
	switch t {
	case IQ3_XXS, IQ2_XXS, IQ2_XS, IQ2_S, IQ1_M, IQ1_S:
		return true
	case Q2_K:
		return file == "Q2_K_S"
	}
	return false
}
