package tfevent

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
)

// at is a clock whose seconds float64 holds exactly.
func at() time.Time { return time.UnixMicro(1_700_000_000_500_000) }

func written(t *testing.T, o Options, use func(*Writer) error) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if o.Now == nil {
		o.Now = at
	}
	w, err := Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(use(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(names) != 1 {
		t.Fatalf("files %v, %v", names, err)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, b []byte) []Event {
	t.Helper()
	var list []Event
	for e, err := range Read(bytes.NewReader(b)) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

func TestRoundTrip(t *testing.T) {
	b := written(t, Options{Resume: 40}, func(w *Writer) error {
		return errors.Join(
			w.Scalar(40, "loss/train", 0.25),
			w.Scalar(-1, "손실", math.Inf(1)),
			w.Text(41, "recipe", "# patchtst\nsteps: 3"),
			w.Histogram(42, "weights", []float32{-1, 0, 0.5, 2, float32(math.NaN())}),
			w.Histogram(42, "nothing", nil),
		)
	})
	got := read(t, b)
	want := []Event{
		{Time: at(), Version: "brain.Event:2"},
		{Time: at(), Step: 40, Start: true},
		{Time: at(), Step: 40, Values: []Value{{Tag: "loss/train", Scalar: 0.25}}},
		{Time: at(), Step: -1, Values: []Value{{Tag: "손실", Scalar: math.Inf(1)}}},
		{Time: at(), Step: 41, Values: []Value{{Tag: "recipe", Text: "# patchtst\nsteps: 3"}}},
	}
	if len(got) != len(want)+1 {
		t.Fatalf("%d events, want %d", len(got), len(want)+1)
	}
	for i, w := range want {
		if !reflect.DeepEqual(got[i], w) {
			t.Errorf("event %d: %+v, want %+v", i, got[i], w)
		}
	}
	h := got[len(want)].Values[0].Histogram
	if h == nil || h.Min != -1 || h.Max != 2 || h.Num != 4 || h.Sum != 1.5 || h.SumSquares != 5.25 {
		t.Fatalf("histogram %+v", h)
	}
	checkBuckets(t, h, []float64{-1, 0, 0.5, 2})
}

// checkBuckets counts again by the definition: (limit before, limit].
func checkBuckets(t *testing.T, h *Histogram, values []float64) {
	t.Helper()
	if len(h.Limits) != len(h.Counts) {
		t.Fatalf("%d limits, %d counts", len(h.Limits), len(h.Counts))
	}
	total := 0.0
	for i, n := range h.Counts {
		total += n
		want := 0.0
		for _, v := range values {
			if v <= h.Limits[i] && (i == 0 || v > h.Limits[i-1]) {
				want++
			}
		}
		if n != want {
			t.Errorf("bucket to %g holds %g, want %g", h.Limits[i], n, want)
		}
	}
	if total != float64(len(values)) {
		t.Errorf("%g values in the buckets, want %d", total, len(values))
	}
}

// TestBytes holds the exact bytes of a scalar event, worked out by hand from the protobuf and TFRecord
// definitions: a reader of ours that shared a mistake with the writer would not notice.
func TestBytes(t *testing.T) {
	m := message{}.double(eventTime, 1.5).integer(eventStep, 300).
		bytes(eventSummary, message{}.bytes(summaryValue, message{}.text(valueTag, "a").float(valueSimple, 1)))
	const want = "09" + "000000000000f83f" + "10" + "ac02" + "2a" + "0a" + "0a" + "08" + "0a0161" + "15" + "0000803f"
	if got := hex.EncodeToString(m); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// CRC-32C of "123456789" is e3069283 (RFC 3720's polynomial); masked by the rule of crc32c.h.
	crc := uint32(0xe3069283)
	if got, want := checksum([]byte("123456789")), (crc>>15|crc<<17)+0xa282ead8; got != want {
		t.Errorf("checksum %08x, want %08x", got, want)
	}
}

// TestTorn cuts a file at every byte: all whole records are read, and the cut is reported as such.
func TestTorn(t *testing.T) {
	b := written(t, Options{}, func(w *Writer) error { return errors.Join(w.Scalar(1, "x", 1), w.Scalar(2, "x", 2)) })
	ends := map[int]int{0: 0} // length of a prefix → whole records in it
	r := bytes.NewReader(b)
	for n := 1; ; n++ {
		if _, err := record(r); err != nil {
			break
		}
		ends[len(b)-r.Len()] = n
	}
	whole := 0
	for cut := range len(b) + 1 {
		if n, ok := ends[cut]; ok {
			whole = n
		}
		n, last := 0, error(nil)
		for _, err := range Read(bytes.NewReader(b[:cut])) {
			if err == nil {
				n++
			}
			last = err
		}
		_, clean := ends[cut]
		if n != whole || clean && last != nil || !clean && !errors.Is(last, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %d records, want %d; %v", cut, n, whole, last)
		}
	}
	for i := range b { // and every changed byte is noticed
		b[i] ^= 0x40
		ok := true
		for _, err := range Read(bytes.NewReader(b)) {
			ok = ok && err == nil
		}
		b[i] ^= 0x40
		if ok {
			t.Errorf("a changed byte %d is not noticed", i)
		}
	}
}

// TestNewFile: two runs in one folder within one second do not touch each other's file.
func TestNewFile(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		w, err := Create(dir, Options{Now: at})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Scalar(1, "x", 1), w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		if err := w.Scalar(2, "x", 1); err == nil {
			t.Error("a closed writer writes")
		}
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 3 {
		t.Errorf("files %v", names)
	}
}

func TestConcurrent(t *testing.T) {
	const workers, each = 8, 50
	b := written(t, Options{}, func(w *Writer) error {
		var wg sync.WaitGroup
		errs := make([]error, workers)
		for i := range workers {
			wg.Go(func() {
				for s := range each {
					errs[i] = errors.Join(errs[i], w.Scalar(int64(s), "x", float64(i)))
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	if n := len(read(t, b)); n != 1+workers*each {
		t.Errorf("%d events", n)
	}
}

func FuzzRead(f *testing.F) {
	good := frame(message{}.integer(eventStep, 3).bytes(eventSummary, message{}.bytes(summaryValue, message{}.text(valueTag, "a").float(valueSimple, 1))))
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Add(frame([]byte{0x09, 1}))
	f.Add(frame(message{}.bytes(eventSummary, message{}.bytes(summaryValue, message{}.bytes(valueHistogram, message{}.doubles(histLimits, []float64{1}))))))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range Read(bytes.NewReader(b)) {
			_ = err
		}
		// Behind a right checksum, where random bytes do not come by themselves.
		for _, err := range Read(bytes.NewReader(frame(b))) {
			_ = err
		}
	})
}
