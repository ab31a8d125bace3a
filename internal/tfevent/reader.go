package tfevent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"time"
)

// Event is one record of a file: the file's version, the start of a session, or values at a step.
type Event struct {
	Time    time.Time
	Step    int64
	Version string  // "brain.Event:2" in the first event, else empty
	Start   bool    // a resumed run begins: what earlier files say of Step and later is void
	Values  []Value // in the order written
}

// Value is what stands under one tag: a number, or where they are set a histogram or a text.
type Value struct {
	Tag       string
	Scalar    float64 // stored as float32
	Histogram *Histogram
	Text      string
}

// maxRecord bounds what one record may ask for; images would need more, and are not written.
const maxRecord = 64 << 20

// Read gives the events of a file. It ends with an error that wraps [io.ErrUnexpectedEOF] at a
// record torn by a killed writer, and with another error where bytes have changed.
func Read(r io.Reader) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for n := 1; ; n++ {
			data, err := record(r)
			if errors.Is(err, io.EOF) {
				return
			}
			var e Event
			if err == nil {
				e, err = parseEvent(data)
			}
			if err != nil {
				yield(Event{}, fmt.Errorf("tfevent: record %d: %w", n, err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// record reads one frame; io.EOF means that the file ends here as it should.
func record(r io.Reader) ([]byte, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err // io.EOF only before the first byte
	}
	if checksum(head[:8]) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, errors.New("checksum of the length does not match: not an event file, or damaged")
	}
	size := binary.LittleEndian.Uint64(head[:8])
	if size > maxRecord {
		return nil, fmt.Errorf("%d bytes long, at most %d are read", size, maxRecord)
	}
	// The buffer grows with what is there, not with what the length claims.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(size)+4); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	data := b.Bytes()[:size]
	if checksum(data) != binary.LittleEndian.Uint32(b.Bytes()[size:]) {
		return nil, errors.New("checksum of the data does not match: damaged")
	}
	return data, nil
}

// field is one field of a message: number for the varint and fixed kinds, body for the rest.
type field struct {
	id, wire int
	number   uint64
	body     []byte
}

var errWire = errors.New("malformed protocol buffer")

// fields calls each for every field of a message.
func fields(b []byte, each func(field) error) error {
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29-1 {
			return errWire
		}
		b = b[n:]
		f := field{id: int(key >> 3), wire: int(key & 7)}
		used := 0
		switch f.wire {
		case wireVarint:
			f.number, used = binary.Uvarint(b)
			if used <= 0 {
				return errWire
			}
		case wire64, wire32:
			if used = 8; f.wire == wire32 {
				used = 4
			}
			if len(b) < used {
				return errWire
			}
			var wide [8]byte
			copy(wide[:], b[:used])
			f.number = binary.LittleEndian.Uint64(wide[:])
		case wireBytes:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errWire
			}
			used = n + int(size)
			f.body = b[n:used]
		default:
			return errWire
		}
		if err := each(f); err != nil {
			return err
		}
		b = b[used:]
	}
	return nil
}

func parseEvent(b []byte) (e Event, err error) {
	err = fields(b, func(f field) error {
		switch {
		case f.id == eventTime && f.wire == wire64:
			e.Time = stamp(math.Float64frombits(f.number))
		case f.id == eventStep && f.wire == wireVarint:
			e.Step = int64(f.number)
		case f.id == eventVersion && f.wire == wireBytes:
			e.Version = string(f.body)
		case f.id == eventSession && f.wire == wireBytes:
			return fields(f.body, func(f field) error {
				e.Start = e.Start || f.id == sessionStatus && f.number == sessionStart
				return nil
			})
		case f.id == eventSummary && f.wire == wireBytes:
			return fields(f.body, func(f field) error {
				if f.id != summaryValue || f.wire != wireBytes {
					return nil
				}
				v, err := parseValue(f.body)
				e.Values = append(e.Values, v)
				return err
			})
		}
		return nil
	})
	return e, err
}

// stamp is the time of an event; what no clock shows becomes the zero time.
func stamp(seconds float64) time.Time {
	if !(math.Abs(seconds) < 1<<40) {
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6)))
}

func parseValue(b []byte) (v Value, err error) {
	err = fields(b, func(f field) error {
		switch {
		case f.id == valueTag && f.wire == wireBytes:
			v.Tag = string(f.body)
		case f.id == valueSimple && f.wire == wire32:
			v.Scalar = float64(math.Float32frombits(uint32(f.number)))
		case f.id == valueHistogram && f.wire == wireBytes:
			v.Histogram = new(Histogram)
			return parseHistogram(f.body, v.Histogram)
		case f.id == valueTensor && f.wire == wireBytes:
			return fields(f.body, func(f field) error {
				if f.id == tensorStrings && f.wire == wireBytes {
					v.Text = string(f.body)
				}
				return nil
			})
		}
		return nil
	})
	return v, err
}

func parseHistogram(b []byte, h *Histogram) error {
	singles := map[int]*float64{histMin: &h.Min, histMax: &h.Max, histNum: &h.Num, histSum: &h.Sum, histSquares: &h.SumSquares}
	lists := map[int]*[]float64{histLimits: &h.Limits, histCounts: &h.Counts}
	return fields(b, func(f field) error {
		if p := singles[f.id]; p != nil && f.wire == wire64 {
			*p = math.Float64frombits(f.number)
		}
		if p := lists[f.id]; p != nil && f.wire == wireBytes {
			if len(f.body)%8 != 0 {
				return errWire
			}
			for i := 0; i < len(f.body); i += 8 {
				*p = append(*p, math.Float64frombits(binary.LittleEndian.Uint64(f.body[i:])))
			}
		}
		return nil
	})
}
