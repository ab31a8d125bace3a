package main

import (
	"fmt"
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// width is the number of queries in a vector: 16 with AVX-512, 8 with AVX2.
type width int

func (w width) name() string {
	if w == 16 {
		return "AVX512"
	}
	return "AVX2"
}

func (w width) bytes() int { return int(w) * 4 }

func (w width) text(name, signature, doc string) {
	TEXT(name+w.name(), NOSPLIT, "func("+signature+")")
	Pragma("noescape")
	Doc(strings.Split(name+w.name()+" "+doc, "\n")...)
}

func (w width) vec() reg.VecVirtual {
	if w == 16 {
		return ZMM()
	}
	return YMM()
}

func (w width) vecs(n int) (v []reg.VecVirtual) {
	for range n {
		v = append(v, w.vec())
	}
	return v
}

func (w width) load(m Op) reg.VecVirtual {
	v := w.vec()
	VMOVUPS(m, v)
	return v
}

func (w width) zero(v reg.VecVirtual) {
	if w == 16 {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
}

// fma is acc += x·(the float at m).
func (w width) fma(m Mem, x, acc Op) {
	if w == 16 {
		VFMADD231PS_BCST(m, x, acc)
		return
	}
	t := w.vec()
	VBROADCASTSS(m, t)
	VFMADD231PS(t, x, acc)
}

// mul is acc = x·(the float at m).
func (w width) mul(m Mem, x, acc Op) {
	if w == 16 {
		VMULPS_BCST(m, x, acc)
		return
	}
	t := w.vec()
	VBROADCASTSS(m, t)
	VMULPS(t, x, acc)
}

func ptr(name string) reg.GPVirtual {
	r := GP64()
	Load(Param(name), r)
	return r
}

// stride is a parameter in floats, in bytes.
func stride(name string) reg.GPVirtual {
	r := ptr(name)
	SHLQ(Imm(2), r)
	return r
}

var label int

// fresh makes a label's name unique in the file.
func fresh(name string) string {
	label++
	return fmt.Sprintf("%s%d", name, label)
}

// loop runs body n times, n ≥ 1 and destroyed.
func loop(n reg.GPVirtual, body func()) {
	l := fresh("loop")
	Label(l)
	body()
	DECQ(n)
	JNZ(LabelRef(l))
}

// unless skips body if the register is 0.
func unless0(n reg.GPVirtual, body func()) {
	l := fresh("skip")
	TESTQ(n, n)
	JZ(LabelRef(l))
	body()
	Label(l)
}

func copyOf(r reg.GPVirtual) reg.GPVirtual {
	c := GP64()
	MOVQ(r, c)
	return c
}

// The constants stand as rows of eight, so that AVX2 can use them in place.
const (
	cLog2e   = iota // rounded to float32
	cLog2eLo        // what that left out
	cLowest         // below it exp is 0
	cOne
	cNegInf
	cLn2
	cExp      // coefficients of f¹ … f⁶
	cLog      = cExp + 6
	c127      = cLog + 5 // an integer, as is the next
	cMantissa = c127 + 1
	cCount    = c127 + 2
)

var table Mem

func constants() {
	table = GLOBL("attnTable", RODATA|NOPTR)
	values := map[int]float64{
		cLog2e: 1.4426950216293335, cLog2eLo: 1.9259629911266175e-08, cLowest: -88.02, cOne: 1, cNegInf: math.Inf(-1), cLn2: math.Ln2,
	}
	// 2^f on [−½, ½], minimax in the relative error (2e-9) with 2⁰ = 1 exactly.
	for i, c := range []float64{0.693147182, 0.240226477, 0.0555033237, 0.00961843692, 0.00133988739, 0.00015353362} {
		values[cExp+i] = c
	}
	// log(m) = z·P(z²), z = (m−1)/(m+1), on m in [1, 2], minimax (4e-9).
	for i, c := range []float64{2, 0.66666317, 0.400249094, 0.279606014, 0.281783342} {
		values[cLog+i] = c
	}
	for i := range cCount {
		for j := range 8 {
			switch i {
			case c127:
				DATA((i*8+j)*4, U32(127))
			case cMantissa:
				DATA((i*8+j)*4, U32(0x7fffff))
			default:
				DATA((i*8+j)*4, U32(math.Float32bits(float32(values[i]))))
			}
		}
	}
	for j := range 16 { // eight −1 and eight 0: masks for the first lanes
		mask := U32(0)
		if j < 8 {
			mask = 1<<32 - 1
		}
		DATA((cCount*8+j)*4, mask)
	}
}

// con is a constant as an operand: a register of its own with AVX-512, which
// has enough of them, else memory.
func (w width) con(i int) Op {
	m := table.Offset(i * 32)
	if w == 16 {
		v := w.vec()
		VBROADCASTSS(m, v)
		return v
	}
	return m
}

// reg is a constant in a register.
func (w width) reg(i int) reg.VecVirtual {
	v := w.vec()
	VBROADCASTSS(table.Offset(i*32), v)
	return v
}

// exp computes exp(x) in place, x ≤ about 80: below 2 ulp; exactly 0 below
// −88.02 with AVX2 and below −104 with AVX-512, which keeps denormal results;
// exactly 1 at 0; NaN stays. It returns the emitter so that the constants are
// loaded outside of a loop.
func (w width) exp() func(x reg.VecVirtual) {
	log2e, lo := w.reg(cLog2e), w.con(cLog2eLo)
	lowest, one := w.con(cLowest), w.con(cOne)
	if w == 16 {
		v := w.vec()
		VADDPS(lowest, lowest, v) // −176: far enough for VSCALEFPS to make a 0
		lowest = v
	}
	var c [6]Op
	for i := range c {
		c[i] = w.con(cExp + i)
	}
	return func(x reg.VecVirtual) {
		n, p := w.vec(), w.vec()
		if w == 8 {
			low := w.vec()
			VMOVUPS(lowest, low)
			VMAXPS(x, low, x) // x last: it wins if it is NaN
		} else {
			VMAXPS(x, lowest, x)
		}
		VMULPS(log2e, x, n)
		if w == 16 {
			VRNDSCALEPS(Imm(8), n, n) // nearest
		} else {
			VROUNDPS(Imm(8), n, n)
		}
		f := w.vec()
		VMOVAPS(x, f)
		VFMSUB213PS(n, log2e, f) // f = x·log2e − n
		VFMADD231PS(lo, x, f)    // + x·lo
		VMOVUPS(c[5], p)
		for i := 4; i >= 0; i-- {
			VFMADD213PS(c[i], f, p)
		}
		VFMADD213PS(one, f, p)
		if w == 16 {
			VSCALEFPS(n, p, x)
			return
		}
		VCVTPS2DQ(n, n)
		VPADDD(table.Offset(c127*32), n, n)
		VPSLLD(Imm(23), n, n)
		VMULPS(n, p, x)
	}
}
