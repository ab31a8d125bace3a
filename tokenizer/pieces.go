package tokenizer

import "strings"

// Pieces gives, by id, the bytes that each token stands for inside a text: of "▁the" " the", of "<0x41>" the byte A, of
// "Ġthe" " the", of "##ing" "ing". Special tokens have none. Joined they are the text but for what a decoder does at its
// begin (a leading space) and for clean-up across tokens. It is what programs need that look for texts in
// tokens: stops, grammars.
func (t *Tokenizer) Pieces() [][]byte {
	pieces := make([][]byte, t.Len())
	before, head := t.anchor()
	for i := range pieces {
		id := int32(i)
		if !t.has(id) || t.IsSpecial(id) {
			continue
		}
		if d, ok := t.dec.(*byteDecoder); ok {
			pieces[i] = []byte(d.bytes[id])
			continue
		}
		if b, ok := byteToken(t.tokens[id]); ok {
			pieces[i] = []byte{b}
			continue
		}
		text := t.Decode(append(before, id), DecodeOptions{})
		pieces[i] = []byte(strings.TrimPrefix(text, head))
	}
	return pieces
}

// anchor finds an ordinary token to stand before others, so that they are decoded as inside a text, and its text.
func (t *Tokenizer) anchor() (ids []int32, text string) {
	for id := range int32(t.Len()) {
		if !t.has(id) || t.IsSpecial(id) {
			continue
		}
		if _, isByte := byteToken(t.tokens[id]); isByte {
			continue
		}
		ids = []int32{id}
		if text = t.Decode(ids, DecodeOptions{}); len(text) == 1 && text[0] > ' ' && text[0] < 0x7f && strings.HasPrefix(t.Decode([]int32{id, id}, DecodeOptions{}), text) {
			return ids[:1:1], text
		}
	}
	return nil, ""
}
