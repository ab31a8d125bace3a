//go:build !purego

#include "textflag.h"

// Products of 16 rows of quantised weights with one token; see qmat.go for the layouts and _asm/quant for the loops. A
// vector's lane is a row.
//
// R0 y, R1 weights, R2 activations, R3 blocks, R4 address, R5 units; V0 to V3 sums in float32, V4 to V7 in integers, V8 and V9
// 32 columns of the token, V10 to V17 weights and scales, V18 the mask of lower halves, V19 a number of the token's for all
// lanes, V20 and V21 scales, V22 to V29 d and dmin of a block.

// The assembler lacks these. SDOT adds to each lane of d the products of four bytes of n with those of lane i of m.
#define SDOT(d, n, m, i) WORD $(0x4F80E000 | ((i)&1)<<21 | ((i)>>1)<<11 | (m)<<16 | (n)<<5 | (d))
#define FCVTL(d, n) WORD $(0x0E217800 | (n)<<5 | (d))
#define FCVTL2(d, n) WORD $(0x4E217800 | (n)<<5 | (d))
#define SCVTF(d, n) WORD $(0x4E21D800 | (n)<<5 | (d))
#define UCVTF(d, n) WORD $(0x6E21D800 | (n)<<5 | (d))
#define FMUL(d, n, m) WORD $(0x6E20DC00 | (m)<<16 | (n)<<5 | (d))

#define LOADARGS \
	MOVD y+0(FP), R0; \
	MOVD w+8(FP), R1; \
	MOVD x+16(FP), R2; \
	MOVD n+24(FP), R3; \
	VEOR V0.B16, V0.B16, V0.B16; \
	VEOR V1.B16, V1.B16, V1.B16; \
	VEOR V2.B16, V2.B16, V2.B16; \
	VEOR V3.B16, V3.B16, V3.B16

#define MASK \
	MOVD $15, R4; \
	VDUP R4, V18.B16

#define STARTFROM(v) \
	VMOV v.B16, V4.B16; \
	VMOV v.B16, V5.B16; \
	VMOV v.B16, V6.B16; \
	VMOV v.B16, V7.B16

// The number at off in a unit of activations: 32 the scale, 36 the slot.
#define TOKEN(off) \
	ADD   $off, R2, R4; \
	VLD1R (R4), [V19.S4]

#define DOT8(m, i) \
	VLD1.P 64(R1), [V10.B16, V11.B16, V12.B16, V13.B16]; \
	SDOT(4, 10, m, i); \
	SDOT(5, 11, m, i); \
	SDOT(6, 12, m, i); \
	SDOT(7, 13, m, i)

// A word of halves: columns 4i … in the lower, 16 + 4i … in the upper.
#define DOT4(i) \
	VLD1.P 64(R1), [V10.B16, V11.B16, V12.B16, V13.B16]; \
	VAND   V18.B16, V10.B16, V14.B16; \
	VAND   V18.B16, V11.B16, V15.B16; \
	VAND   V18.B16, V12.B16, V16.B16; \
	VAND   V18.B16, V13.B16, V17.B16; \
	SDOT(4, 14, 8, i); \
	SDOT(5, 15, 8, i); \
	SDOT(6, 16, 8, i); \
	SDOT(7, 17, 8, i); \
	VUSHR  $4, V10.B16, V10.B16; \
	VUSHR  $4, V11.B16, V11.B16; \
	VUSHR  $4, V12.B16, V12.B16; \
	VUSHR  $4, V13.B16, V13.B16; \
	SDOT(4, 10, 9, i); \
	SDOT(5, 11, 9, i); \
	SDOT(6, 12, 9, i); \
	SDOT(7, 13, 9, i)

// V14 to V17 are scales: times V19, times the sums, onto V0 to V3.
#define FINISH \
	FMUL(14, 14, 19); \
	FMUL(15, 15, 19); \
	FMUL(16, 16, 19); \
	FMUL(17, 17, 19); \
	SCVTF(4, 4); \
	SCVTF(5, 5); \
	SCVTF(6, 6); \
	SCVTF(7, 7); \
	VFMLA V4.S4, V14.S4, V0.S4; \
	VFMLA V5.S4, V15.S4, V1.S4; \
	VFMLA V6.S4, V16.S4, V2.S4; \
	VFMLA V7.S4, V17.S4, V3.S4

#define HALVES(a, b, c, d) \
	FCVTL(a, 20); \
	FCVTL2(b, 20); \
	FCVTL(c, 21); \
	FCVTL2(d, 21)

// 16 bytes of v, widened, times four vectors from a on.
#define BYTES(v, a) \
	VUSHLL  $0, v.B8, V12.H8; \
	VUSHLL2 $0, v.B16, V13.H8; \
	VUSHLL  $0, V12.H4, V14.S4; \
	VUSHLL2 $0, V12.H8, V15.S4; \
	VUSHLL  $0, V13.H4, V16.S4; \
	VUSHLL2 $0, V13.H8, V17.S4; \
	UCVTF(14, 14); \
	UCVTF(15, 15); \
	UCVTF(16, 16); \
	UCVTF(17, 17); \
	FMUL(14, 14, a); \
	FMUL(15, 15, a+1); \
	FMUL(16, 16, a+2); \
	FMUL(17, 17, a+3)

// func qmulQ80NEON(y *float32, w, x *byte, n int)
TEXT ·qmulQ80NEON(SB), NOSPLIT, $0-32
	LOADARGS
	VEOR V30.B16, V30.B16, V30.B16

loop:
	VLD1.P 32(R1), [V20.B16, V21.B16]
	VLD1   (R2), [V8.B16, V9.B16]
	STARTFROM(V30)
	DOT8(8, 0)
	DOT8(8, 1)
	DOT8(8, 2)
	DOT8(8, 3)
	DOT8(9, 0)
	DOT8(9, 1)
	DOT8(9, 2)
	DOT8(9, 3)
	TOKEN(32)
	HALVES(14, 15, 16, 17)
	FINISH
	ADD    $40, R2, R2
	SUBS   $1, R3, R3
	BNE    loop
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func qmulQ40NEON(y *float32, w, x *byte, n int)
TEXT ·qmulQ40NEON(SB), NOSPLIT, $0-32
	LOADARGS
	MASK

loop:
	VLD1.P 32(R1), [V20.B16, V21.B16]
	VLD1   (R2), [V8.B16, V9.B16]
	TOKEN(36)
	STARTFROM(V19)
	DOT4(0)
	DOT4(1)
	DOT4(2)
	DOT4(3)
	TOKEN(32)
	HALVES(14, 15, 16, 17)
	FINISH
	ADD    $40, R2, R2
	SUBS   $1, R3, R3
	BNE    loop
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET

// func qmulQ4KNEON(y *float32, w, x *byte, n int)
TEXT ·qmulQ4KNEON(SB), NOSPLIT, $0-32
	LOADARGS
	MASK
	VEOR V30.B16, V30.B16, V30.B16

block:
	VLD1.P 32(R1), [V20.B16, V21.B16]
	HALVES(22, 23, 24, 25)
	VLD1.P 32(R1), [V20.B16, V21.B16]
	HALVES(26, 27, 28, 29)
	MOVD   $8, R5

unit:
	VLD1.P 32(R1), [V20.B16, V21.B16] // scales, minima
	VLD1   (R2), [V8.B16, V9.B16]
	STARTFROM(V30)
	DOT4(0)
	DOT4(1)
	DOT4(2)
	DOT4(3)
	BYTES(V20, 22)
	TOKEN(32)
	FINISH
	BYTES(V21, 26)
	TOKEN(36)
	VFMLA  V19.S4, V14.S4, V0.S4
	VFMLA  V19.S4, V15.S4, V1.S4
	VFMLA  V19.S4, V16.S4, V2.S4
	VFMLA  V19.S4, V17.S4, V3.S4
	ADD    $40, R2, R2
	SUBS   $1, R5, R5
	BNE    unit
	SUBS   $1, R3, R3
	BNE    block
	VST1   [V0.S4, V1.S4, V2.S4, V3.S4], (R0)
	RET
