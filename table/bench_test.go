package table

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// numbers is text like ETTh1.csv: a time and seven floats of 16 digits or so.
func numbers(rows int) []byte {
	r := rand.New(rand.NewPCG(1, 1))
	var b bytes.Buffer
	b.WriteString("date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT\n")
	for i := range rows {
		b.WriteString(time.Unix(1467331200+int64(i)*3600, 0).UTC().Format("2006-01-02 15:04:05"))
		for range 7 {
			b.WriteByte(',')
			b.WriteString(strconv.FormatFloat(float64(float32(5+10*r.NormFloat64())), 'f', -1, 64))
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// BenchmarkReadCSV: ours against encoding/csv with strconv and time.Parse, into the same columns.
func BenchmarkReadCSV(b *testing.B) {
	long := numbers(50_000)
	short := []byte("a,b,c,d,e\n")
	for i := range 100_000 {
		short = fmt.Appendf(short, "%d,%.3f,%.2f,%d,%.1f\n", i, float64(i)/7, float64(i)/3, i%10, float64(i)/2)
	}
	inputs := map[string][]byte{"float32-as-float64": long, "short": short}
	if etth1, err := os.ReadFile("../../shared/data/ett/ETTh1.csv"); err == nil {
		inputs["ETTh1"] = etth1
	}
	for name, data := range inputs {
		b.Run(name+"/table", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Read(bytes.NewReader(data), "x", Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/encoding-csv", func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				stdCSV(b, data)
			}
		})
	}
}

func stdCSV(b *testing.B, data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		b.Fatal(err)
	}
	var times []time.Time
	floats := make([][]float64, len(head))
	for {
		rec, err := r.Read()
		if err == io.EOF {
			runtime.KeepAlive(times)
			runtime.KeepAlive(floats)
			return
		}
		if err != nil {
			b.Fatal(err)
		}
		for i, s := range rec {
			if len(s) == 19 && s[4] == '-' {
				t, err := time.Parse("2006-01-02 15:04:05", s)
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, t)
				continue
			}
			f, err := strconv.ParseFloat(s, 64)
			if err != nil {
				b.Fatal(err)
			}
			floats[i] = append(floats[i], f)
		}
	}
}

func BenchmarkParquet(b *testing.B) {
	tb, err := Read(bytes.NewReader(numbers(50_000)), "x", Options{})
	if err != nil {
		b.Fatal(err)
	}
	var buf bytes.Buffer
	if err := WriteParquet(&buf, tb); err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		b.SetBytes(50_000 * 64)
		for b.Loop() {
			if _, err := Read(bytes.NewReader(buf.Bytes()), "x", Options{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(50_000 * 64)
		for b.Loop() {
			if err := WriteParquet(io.Discard, tb); err != nil {
				b.Fatal(err)
			}
		}
	})
}
