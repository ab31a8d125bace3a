package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hanji-ml/hanji/model/all"
)

// writecheckpoint DIR writes a tiny Llama as training does, and a SentencePiece model of bytes: a script holds no binary.
func writeCheckpoint(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: writecheckpoint DIR")
	}
	m, err := all.NewDecoder("llama", []byte(`{"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
		"vocab_size": 264, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.3}`), 1)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o777))
	ts.Check(m.Save(dir))
	var model []byte
	piece := func(text string, kind byte) {
		body := append([]byte{0x0a, byte(len(text))}, text...)
		body = append(binary.LittleEndian.AppendUint32(append(body, 0x15), 0), 0x18, kind) // score (a float), type
		model = append(append(model, 0x0a, byte(len(body))), body...)
	}
	piece("<unk>", 2)
	piece("<s>", 3)
	piece("</s>", 3)
	for b := range 256 {
		piece(fmt.Sprintf("<0x%02X>", b), 6)
	}
	model = append(model, 0x12, 5, 0x18, 2, 0x98, 0x02, 1) // trainer: BPE (field 3), byte_fallback (35)
	model = append(model, 0x1a, 4, 0x18, 1, 0x20, 0)       // normaliser: a space in front (3), spaces are kept (4)
	ts.Check(os.WriteFile(filepath.Join(dir, "tokenizer.model"), model, 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(`{"chat_template": "{{ messages[0].content }}!", "bos_token": "<s>"}`), 0o644))
}
