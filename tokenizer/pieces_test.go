package tokenizer

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// The pieces of a text's tokens, joined, are the text, but for a space that SentencePiece puts before it.
func TestPieces(t *testing.T) {
	for _, path := range []string{"golden/language/tokenizer/bpe-gpt2", "golden/language/tokenizer/bpe-llama3", "data/llama/tokenizer.model"} {
		tok, err := OpenFile(filepath.Join(golden.Shared(t), path))
		if err != nil {
			t.Fatal(err)
		}
		pieces := tok.Pieces()
		if len(pieces) != tok.Len() {
			t.Errorf("%s: %d pieces of %d tokens", path, len(pieces), tok.Len())
		}
		for _, text := range []string{"Hello, world", "the  end", "한국어 종이 hanji", "a\n\tb é 🙂"} {
			var joined bytes.Buffer
			for _, id := range tok.Encode(text, EncodeOptions{NoSpecial: true, Verbatim: true}) {
				joined.Write(pieces[id])
			}
			if got := joined.String(); strings.TrimPrefix(got, " ") != text {
				t.Errorf("%s: %q becomes %q", path, text, got)
			}
		}
		if id := tok.Roles().BOS; id >= 0 && pieces[id] != nil {
			t.Errorf("%s: the begin token stands for %q", path, pieces[id])
		}
	}
}
