package tokenizer

import "testing"

// Pieces gives the pieces of a SentencePiece model and their scores.
func Pieces(t testing.TB, data []byte) (pieces []string, scores []float32) {
	t.Helper()
	m, err := readSPModel(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.pieces {
		pieces, scores = append(pieces, p.text), append(scores, p.score)
	}
	return pieces, scores
}
