package quant

import (
	"hash/crc32"
	"testing"
)

// TestCodebooks: as many entries as an index can name, no two the same, and the bytes that were
// read off the decoder of gguf 0.19.0.
func TestCodebooks(t *testing.T) {
	for _, c := range []struct {
		name    string
		data    []byte
		entries int
		sum     uint32
	}{
		{"IQ1", gridIQ1, 2048, 0xa0911588},
		{"IQ2_XXS", gridIQ2_XXS, 256, 0xd01c53f2},
		{"IQ2_XS", gridIQ2_XS, 512, 0x622e679a},
		{"IQ2_S", gridIQ2_S, 1024, 0xf8ad4e5e},
		{"IQ3_XXS", unpackText(textIQ3_XXS), 256, 0x746801e2},
		{"IQ3_S", unpackText(textIQ3_S), 512, 0x1463c4e4},
	} {
		if sum := crc32.ChecksumIEEE(c.data); sum != c.sum {
			t.Errorf("%s: checksum %#x", c.name, sum)
		}
		seen := map[uint16]bool{}
		bits := 8 * len(c.data) / c.entries
		for i := range c.entries {
			at := i * bits
			word := uint32(c.data[at/8]) | uint32(c.data[at/8+1])<<8
			if at%8+bits > 16 {
				word |= uint32(c.data[at/8+2]) << 16
			}
			seen[uint16(word>>(at%8)&(1<<bits-1))] = true
		}
		if len(seen) != c.entries || bits*c.entries != 8*len(c.data) {
			t.Errorf("%s: %d different entries of %d bits, want %d", c.name, len(seen), bits, c.entries)
		}
	}
}
