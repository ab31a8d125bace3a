package safetensors

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

// Every half, written out from the definition of IEEE 754 §3.4: (-1)^s · 2^(e-15) ·
// 1.f, subnormals 2^-14 · 0.f.
func TestHalf(t *testing.T) {
	for i := range 1 << 16 {
		s, e, f := i>>15, i>>10&31, float64(i&1023)
		want := math.Ldexp(1+f/1024, e-15)
		switch {
		case e == 0:
			want = math.Ldexp(f/1024, -14)
		case e == 31 && f == 0:
			want = math.Inf(1)
		case e == 31:
			want = math.NaN()
		}
		if s == 1 {
			want = -want
		}
		got := float64(half(uint16(i)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (s == 1) {
			t.Fatalf("half %#04x = %v, want %v", i, got, want)
		}
	}
}

// Values from the tables of "FP8 Formats for Deep Learning" (table 1) and OCP
// Microscaling 1.0 (§5.4.1).
func TestEightBitFloats(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		dtype DType
		bits  byte
		want  float64
	}{
		{F8E4M3, 0x00, 0}, {F8E4M3, 0x01, 0x1p-9}, {F8E4M3, 0x07, 0.875 * 0x1p-6}, {F8E4M3, 0x08, 0x1p-6},
		{F8E4M3, 0x38, 1}, {F8E4M3, 0x7e, 448}, {F8E4M3, 0x7f, nan}, {F8E4M3, 0xff, nan}, {F8E4M3, 0xfe, -448},
		{F8E5M2, 0x01, 0x1p-16}, {F8E5M2, 0x03, 0.75 * 0x1p-14}, {F8E5M2, 0x04, 0x1p-14}, {F8E5M2, 0x3c, 1},
		{F8E5M2, 0x7b, 57344}, {F8E5M2, 0x7c, inf}, {F8E5M2, 0xfc, -inf}, {F8E5M2, 0x7d, nan}, {F8E5M2, 0xff, nan},
		{F8E8M0, 0, 0x1p-127}, {F8E8M0, 127, 1}, {F8E8M0, 254, 0x1p127}, {F8E8M0, 255, nan},
	} {
		x := Tensor{DType: c.dtype, Shape: []int{1}, Data: []byte{c.bits}}
		got, err := x.Float32s()
		if err != nil || float64(got[0]) != c.want && !(math.IsNaN(float64(got[0])) && math.IsNaN(c.want)) {
			t.Errorf("%s %#02x = %v, want %v (%v)", c.dtype, c.bits, got, c.want, err)
		}
	}
	x := Tensor{DType: F8E4M3, Shape: []int{1}, Data: []byte{0x80}}
	if v, _ := x.Float64s(); v[0] != 0 || !math.Signbit(v[0]) {
		t.Errorf("-0 became %v", v)
	}
}

func TestConversions(t *testing.T) {
	le := binary.LittleEndian
	for _, c := range []struct {
		dtype DType
		data  []byte
		want  []float64
		ints  bool
	}{
		{Bool, []byte{0, 1, 2}, []float64{0, 1, 1}, true},
		{U8, []byte{0, 255}, []float64{0, 255}, true},
		{I8, []byte{127, 128}, []float64{127, -128}, true},
		{U16, le.AppendUint16(nil, 65535), []float64{65535}, true},
		{I16, le.AppendUint16(nil, 32768), []float64{-32768}, true},
		{U32, le.AppendUint32(nil, 1<<31), []float64{1 << 31}, true},
		{I32, le.AppendUint32(nil, 1<<31), []float64{-1 << 31}, true},
		{U64, le.AppendUint64(nil, 1<<62), []float64{1 << 62}, true},
		{I64, le.AppendUint64(nil, 1<<63), []float64{math.MinInt64}, true},
		{BF16, []byte{0xc0, 0x3f}, []float64{1.5}, false},
		{F16, []byte{0x00, 0x3e}, []float64{1.5}, false},
		{F32, le.AppendUint32(nil, 1), []float64{0x1p-149}, false},
		{F64, le.AppendUint64(nil, math.Float64bits(-1e300)), []float64{-1e300}, false},
	} {
		x := Tensor{Name: "x", DType: c.dtype, Shape: []int{len(c.want)}, Data: c.data}
		wide, err := x.Float64s()
		if err != nil || !slices.Equal(wide, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.dtype, wide, err, c.want)
		}
		narrow, err := x.Float32s()
		for i, v := range narrow {
			if v != float32(c.want[i]) {
				t.Errorf("%s: float32 %v, want %v", c.dtype, v, float32(c.want[i]))
			}
		}
		if err != nil || len(narrow) != len(c.want) {
			t.Errorf("%s: %v, %v", c.dtype, narrow, err)
		}
		whole, err := x.Int64s()
		if (err == nil) != c.ints {
			t.Errorf("%s: Int64s: %v", c.dtype, err)
		}
		for i, v := range whole {
			if float64(v) != c.want[i] {
				t.Errorf("%s: int64 %v, want %v", c.dtype, v, c.want[i])
			}
		}
	}
}

func TestConversionErrors(t *testing.T) {
	for want, x := range map[string]Tensor{
		`tensor "x": element 1 is 9223372036854775808`: {Name: "x", DType: U64, Shape: []int{2}, Data: append(make([]byte, 15), 128)},
		`tensor "x": F32 is no integer type`:           {Name: "x", DType: F32, Shape: []int{1}, Data: make([]byte, 4)},
	} {
		if _, err := x.Int64s(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
	for want, x := range map[string]Tensor{
		"no conversion from C64":        {DType: Complex, Shape: []int{1}, Data: make([]byte, 8)},
		"no conversion from F4":         {DType: F4, Shape: []int{2}, Data: make([]byte, 1)},
		"F32 [2] takes 8 bytes, has 4":  {DType: F32, Shape: []int{2}, Data: make([]byte, 4)},
		"U8 [] takes 1 bytes, has 0":    {DType: U8},
		`dtype "" is not known`:         {Shape: []int{1}},
		"shape [-1] has a negative dim": {DType: U8, Shape: []int{-1}},
	} {
		if _, err := x.Float32s(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}
