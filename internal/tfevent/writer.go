// Package tfevent writes and reads TensorBoard event files: scalars, histograms and texts of a
// training run, by step. It knows the file's form only, nothing of training.
//
//	w, err := tfevent.Create("runs/patchtst", tfevent.Options{})
//	err = w.Scalar(step, "loss/train", loss)
//	err = w.Close()
//
// The form is TFRecord framing (tensorflow/core/lib/io/record_writer.cc) around protocol
// buffers (tensorflow/core/util/event.proto, framework/summary.proto), coded by hand: these few
// messages do not pay for a protobuf library in the binary.
package tfevent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a new event file. The zero value works.
type Options struct {
	// Resume, when positive, is the first step that this run computes anew: TensorBoard then
	// forgets what an earlier, killed run wrote for this step and later ones.
	Resume int64
	// Now stamps the events; nil = time.Now.
	Now func() time.Time
}

// Writer appends events to one file. Every event goes to the file in one write as it comes, so a
// killed process leaves at most one torn record at the end, which readers drop. A Writer may be
// used from several goroutines.
type Writer struct {
	mu  sync.Mutex
	f   *os.File
	now func() time.Time
	err error // the first failure; what follows a torn record would be unreadable
}

// fileVersion begins every event file.
const fileVersion = "brain.Event:2"

// Create makes the folder where needed and a new event file in it. A run that is resumed gets a
// new file beside the old one, as TensorBoard expects; nothing is ever written to an old one.
func Create(dir string, o Options) (*Writer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("tfevent: %w", err)
	}
	f, err := create(dir, o.Now())
	if err != nil {
		return nil, fmt.Errorf("tfevent: %w", err)
	}
	w := &Writer{f: f, now: o.Now}
	err = w.write(message{}.text(eventVersion, fileVersion))
	if err == nil && o.Resume > 0 {
		start := message{}.integer(sessionStatus, sessionStart)
		err = w.write(message{}.integer(eventStep, o.Resume).bytes(eventSession, start))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// create opens a file that was not there. TensorBoard reads the files of a folder in the
// order of their names, so time comes first.
func create(dir string, now time.Time) (*os.File, error) {
	for n := 0; ; n++ {
		name := fmt.Sprintf("events.out.tfevents.%010d.%03d.hanji.%d", now.Unix(), n, os.Getpid())
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
		if !errors.Is(err, fs.ErrExist) || n == 999 {
			return f, err
		}
	}
}

// Scalar writes one value under a tag; tags with a common part before a slash share a panel.
func (w *Writer) Scalar(step int64, tag string, v float64) error {
	return w.summary(step, message{}.text(valueTag, tag).float(valueSimple, float32(v)))
}

// Text writes Markdown under a tag.
func (w *Writer) Text(step int64, tag, markdown string) error {
	plugin := message{}.text(pluginName, "text")
	metadata := message{}.bytes(metadataPlugin, plugin).integer(metadataClass, classTensor)
	shape := message{}.bytes(shapeDim, message{}.integer(dimSize, 1))
	tensor := message{}.integer(tensorType, typeString).bytes(tensorShape, shape).text(tensorStrings, markdown)
	return w.summary(step, message{}.text(valueTag, tag).bytes(valueTensor, tensor).bytes(valueMetadata, metadata))
}

// Histogram writes the distribution of the finite values; without any it writes nothing.
func (w *Writer) Histogram(step int64, tag string, values []float32) error {
	h := count(values)
	if h.Num == 0 {
		return nil
	}
	m := message{}.double(histMin, h.Min).double(histMax, h.Max).double(histNum, h.Num).
		double(histSum, h.Sum).double(histSquares, h.SumSquares).
		doubles(histLimits, h.Limits).doubles(histCounts, h.Counts)
	return w.summary(step, message{}.text(valueTag, tag).bytes(valueHistogram, m))
}

// Close ends the file after its content has reached the disk.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	err := errors.Join(w.f.Sync(), w.f.Close())
	w.f = nil
	if err != nil {
		return fmt.Errorf("tfevent: %w", err)
	}
	return nil
}

func (w *Writer) summary(step int64, value message) error {
	return w.write(message{}.integer(eventStep, step).bytes(eventSummary, message{}.bytes(summaryValue, value)))
}

// write frames an event, stamped with the time, and writes it at once.
func (w *Writer) write(event message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return errors.New("tfevent: write after Close")
	}
	if w.err != nil {
		return w.err
	}
	stamped := append(message{}.double(eventTime, float64(w.now().UnixMicro())/1e6), event...)
	if _, err := w.f.Write(frame(stamped)); err != nil {
		w.err = fmt.Errorf("tfevent: %w", err)
	}
	return w.err
}

// frame is a TFRecord: length, its checksum, data, its checksum.
func frame(data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, len(data)+16), uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, checksum(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is CRC-32C, masked: a CRC over data that holds CRCs is weak (lib/hash/crc32c.h).
func checksum(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// Field numbers of event.proto, summary.proto, tensor.proto and tensor_shape.proto.
const (
	eventTime, eventStep, eventVersion, eventSummary, eventSession = 1, 2, 3, 5, 7

	sessionStatus, sessionStart = 1, 1

	summaryValue = 1

	valueTag, valueSimple, valueHistogram, valueTensor, valueMetadata = 1, 2, 5, 8, 9

	histMin, histMax, histNum, histSum, histSquares, histLimits, histCounts = 1, 2, 3, 4, 5, 6, 7

	metadataPlugin, metadataClass, classTensor = 1, 4, 2

	pluginName = 1

	tensorType, tensorShape, tensorStrings, typeString = 1, 2, 8, 7

	shapeDim, dimSize = 2, 1
)

// message is a protocol buffer under construction.
type message []byte

func (m message) tag(field, wire int) message {
	return binary.AppendUvarint(m, uint64(field<<3|wire))
}

func (m message) integer(field int, v int64) message {
	return binary.AppendUvarint(m.tag(field, wireVarint), uint64(v))
}

func (m message) double(field int, v float64) message {
	return binary.LittleEndian.AppendUint64(m.tag(field, wire64), math.Float64bits(v))
}

func (m message) float(field int, v float32) message {
	return binary.LittleEndian.AppendUint32(m.tag(field, wire32), math.Float32bits(v))
}

func (m message) bytes(field int, b []byte) message {
	return append(binary.AppendUvarint(m.tag(field, wireBytes), uint64(len(b))), b...)
}

// text writes valid UTF-8, which protobuf's string asks for.
func (m message) text(field int, s string) message {
	return m.bytes(field, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}

func (m message) doubles(field int, list []float64) message {
	m = binary.AppendUvarint(m.tag(field, wireBytes), uint64(8*len(list)))
	for _, v := range list {
		m = binary.LittleEndian.AppendUint64(m, math.Float64bits(v))
	}
	return m
}

// Wire types of the protobuf encoding.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)
