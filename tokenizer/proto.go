package tokenizer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// protoFields calls f for each field of a protocol buffers message (the wire format of
// protobuf.dev/programming-guides/encoding). data is set for strings, bytes and messages, num
// for all else. Every length is held against the bytes there are.
func protoFields(b []byte, f func(field int, num uint64, data []byte) error) error {
	size := len(b)
	for len(b) > 0 {
		at := size - len(b)
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > math.MaxInt32 {
			return fmt.Errorf("byte %d: no field", at)
		}
		b = b[n:]
		var num uint64
		var data []byte
		switch tag & 7 {
		case 0:
			if num, n = binary.Uvarint(b); n <= 0 {
				return fmt.Errorf("byte %d: number does not end", at)
			}
		case 1:
			if n = 8; len(b) < n {
				return fmt.Errorf("byte %d: file ends within a number", at)
			}
			num = binary.LittleEndian.Uint64(b)
		case 2:
			length, k := binary.Uvarint(b)
			if k <= 0 || length > uint64(len(b)-k) {
				return fmt.Errorf("byte %d: field %d says %d bytes, %d are left; truncated download?", at, tag>>3, length, len(b)-max(k, 0))
			}
			data = b[k : k+int(length)]
			if data == nil {
				data = []byte{}
			}
			n = k + int(length)
		case 5:
			if n = 4; len(b) < n {
				return fmt.Errorf("byte %d: file ends within a number", at)
			}
			num = uint64(binary.LittleEndian.Uint32(b))
		default:
			return fmt.Errorf("byte %d: wire type %d", at, tag&7)
		}
		b = b[n:]
		if err := f(int(tag>>3), num, data); err != nil {
			return err
		}
	}
	return nil
}

// spModel is the part of sentencepiece_model.proto that encoding needs, with its defaults.
type spModel struct {
	pieces     []spPiece
	kind       uint64 // TrainerSpec.model_type
	fallback   bool
	suffix     bool // treat_whitespace_as_suffix
	bos, eos   string
	unkSurface string
	norm       spNormalizer
	denorm     bool
}

type spPiece struct {
	text  string
	score float32
	kind  uint64
}

type spNormalizer struct {
	charsmap                    []byte
	dummyPrefix, squeeze, plain bool // plain: spaces are not escaped
}

// Kinds of piece and of model.
const (
	spNormal, spUnknown, spControl, spUser, spUnused, spByte = 1, 2, 3, 4, 5, 6

	spUnigram, spBPE, spWord, spChar = 1, 2, 3, 4
)

func readSPModel(b []byte) (*spModel, error) {
	m := &spModel{kind: spUnigram, unkSurface: " \u2047 ", norm: spNormalizer{dummyPrefix: true, squeeze: true}, bos: "<s>", eos: "</s>"}
	err := protoFields(b, func(field int, _ uint64, data []byte) error {
		switch field {
		case 1:
			p := spPiece{kind: spNormal}
			if err := p.read(data); err != nil {
				return fmt.Errorf("piece %d: %w", len(m.pieces), err)
			}
			m.pieces = append(m.pieces, p)
		case 2:
			return m.trainer(data)
		case 3:
			return m.norm.read(data)
		case 5:
			var d spNormalizer
			err := d.read(data)
			m.denorm = len(d.charsmap) > 0
			return err
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(m.pieces) == 0 {
		return nil, errors.New("no pieces; is this a SentencePiece model?")
	}
	return m, nil
}

func (p *spPiece) read(b []byte) error {
	err := protoFields(b, func(field int, num uint64, data []byte) error {
		switch field {
		case 1:
			p.text = string(data)
		case 2:
			p.score = math.Float32frombits(uint32(num))
		case 3:
			p.kind = num
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case p.text == "":
		return errors.New("it is empty")
	case !finite(float64(p.score)):
		return fmt.Errorf("%s has score %g", clip(p.text), p.score)
	case p.kind < spNormal || p.kind > spByte:
		return fmt.Errorf("%s has type %d", clip(p.text), p.kind)
	}
	return nil
}

func (m *spModel) trainer(b []byte) error {
	return protoFields(b, func(field int, num uint64, data []byte) error {
		switch field {
		case 3:
			m.kind = num
		case 24:
			m.suffix = num != 0
		case 35:
			m.fallback = num != 0
		case 44:
			m.unkSurface = string(data)
		case 46:
			m.bos = string(data)
		case 47:
			m.eos = string(data)
		}
		return nil
	})
}

func (n *spNormalizer) read(b []byte) error {
	return protoFields(b, func(field int, num uint64, data []byte) error {
		switch field {
		case 2:
			n.charsmap = data
		case 3:
			n.dummyPrefix = num != 0
		case 4:
			n.squeeze = num != 0
		case 5:
			n.plain = num == 0
		}
		return nil
	})
}
