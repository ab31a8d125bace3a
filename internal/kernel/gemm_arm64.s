//go:build !purego

#include "textflag.h"

// Tiles of kernel.Gemm for NEON: R rows of eight columns, one tile under another; see gemmTile in
// gemm_tile.go, whose layout the offsets here repeat, and _asm/gemm/main.go for the loop.
//
// R0 t, R1 A, R2 from row to row of A, R3 from k to k, R5 from k to k of B, R6 C, R7 from row to row of
// C, R9 tiles, R22 add; R10… the rows of A, R19 B, R20 k; V0… sums, V16 and V17 B, V18… A, V26 alpha.

#define LOADARGS \
	MOVD t+0(FP), R0; \
	MOVD 0(R0), R1; \
	MOVD 8(R0), R2; \
	MOVD 16(R0), R3; \
	MOVD 32(R0), R5; \
	MOVD 40(R0), R6; \
	MOVD 48(R0), R7; \
	MOVD 64(R0), R9; \
	MOVD 80(R0), R22; \
	ADD  $88, R0, R21; \
	VLD1R (R21), [V26.S4]

#define STARTTILE \
	MOVD 24(R0), R19; \
	MOVD 56(R0), R20

#define ZERO(x, y) \
	VEOR x.B16, x.B16, x.B16; \
	VEOR y.B16, y.B16, y.B16

#define LOADB \
	VLD1 (R19), [V16.S4, V17.S4]; \
	ADD  R5, R19, R19

// One row of A, one column: two multiply-adds.
#define ROW(p, a, x, y) \
	VLD1R (p), [a.S4]; \
	ADD   R3, p, p; \
	VFMLA a.S4, V16.S4, x.S4; \
	VFMLA a.S4, V17.S4, y.S4

// C = alpha·sum, on top of zero: the assembler lacks the vector FMUL.
#define STORE(x, y) \
	VEOR  V27.B16, V27.B16, V27.B16; \
	VEOR  V28.B16, V28.B16, V28.B16; \
	VFMLA V26.S4, x.S4, V27.S4; \
	VFMLA V26.S4, y.S4, V28.S4; \
	VST1  [V27.S4, V28.S4], (R6); \
	ADD   R7, R6, R6

#define ADDTO(x, y) \
	VLD1  (R6), [V27.S4, V28.S4]; \
	VFMLA V26.S4, x.S4, V27.S4; \
	VFMLA V26.S4, y.S4, V28.S4; \
	VST1  [V27.S4, V28.S4], (R6); \
	ADD   R7, R6, R6

// func gemmNEON8x8(t *[15]uint64)
TEXT ·gemmNEON8x8(SB), NOSPLIT, $0-8
	LOADARGS

tile:
	STARTTILE
	MOVD R1, R10
	ADD  R2, R10, R11
	ADD  R2, R11, R12
	ADD  R2, R12, R13
	ADD  R2, R13, R14
	ADD  R2, R14, R15
	ADD  R2, R15, R16
	ADD  R2, R16, R17
	ADD  R2, R17, R1
	ZERO(V0, V1)
	ZERO(V2, V3)
	ZERO(V4, V5)
	ZERO(V6, V7)
	ZERO(V8, V9)
	ZERO(V10, V11)
	ZERO(V12, V13)
	ZERO(V14, V15)

k:
	LOADB
	ROW(R10, V18, V0, V1)
	ROW(R11, V19, V2, V3)
	ROW(R12, V20, V4, V5)
	ROW(R13, V21, V6, V7)
	ROW(R14, V22, V8, V9)
	ROW(R15, V23, V10, V11)
	ROW(R16, V24, V12, V13)
	ROW(R17, V25, V14, V15)
	SUBS $1, R20, R20
	BNE  k
	CBNZ R22, add
	STORE(V0, V1)
	STORE(V2, V3)
	STORE(V4, V5)
	STORE(V6, V7)
	STORE(V8, V9)
	STORE(V10, V11)
	STORE(V12, V13)
	STORE(V14, V15)
	B    next

add:
	ADDTO(V0, V1)
	ADDTO(V2, V3)
	ADDTO(V4, V5)
	ADDTO(V6, V7)
	ADDTO(V8, V9)
	ADDTO(V10, V11)
	ADDTO(V12, V13)
	ADDTO(V14, V15)

next:
	SUBS $1, R9, R9
	BNE  tile
	RET

// func gemmNEON4x8(t *[15]uint64)
TEXT ·gemmNEON4x8(SB), NOSPLIT, $0-8
	LOADARGS

tile:
	STARTTILE
	MOVD R1, R10
	ADD  R2, R10, R11
	ADD  R2, R11, R12
	ADD  R2, R12, R13
	ADD  R2, R13, R1
	ZERO(V0, V1)
	ZERO(V2, V3)
	ZERO(V4, V5)
	ZERO(V6, V7)

k:
	LOADB
	ROW(R10, V18, V0, V1)
	ROW(R11, V19, V2, V3)
	ROW(R12, V20, V4, V5)
	ROW(R13, V21, V6, V7)
	SUBS $1, R20, R20
	BNE  k
	CBNZ R22, add
	STORE(V0, V1)
	STORE(V2, V3)
	STORE(V4, V5)
	STORE(V6, V7)
	B    next

add:
	ADDTO(V0, V1)
	ADDTO(V2, V3)
	ADDTO(V4, V5)
	ADDTO(V6, V7)

next:
	SUBS $1, R9, R9
	BNE  tile
	RET

// func gemmNEON2x8(t *[15]uint64)
TEXT ·gemmNEON2x8(SB), NOSPLIT, $0-8
	LOADARGS

tile:
	STARTTILE
	MOVD R1, R10
	ADD  R2, R10, R11
	ADD  R2, R11, R1
	ZERO(V0, V1)
	ZERO(V2, V3)

k:
	LOADB
	ROW(R10, V18, V0, V1)
	ROW(R11, V19, V2, V3)
	SUBS $1, R20, R20
	BNE  k
	CBNZ R22, add
	STORE(V0, V1)
	STORE(V2, V3)
	B    next

add:
	ADDTO(V0, V1)
	ADDTO(V2, V3)

next:
	SUBS $1, R9, R9
	BNE  tile
	RET

// func gemmNEON1x8(t *[15]uint64)
TEXT ·gemmNEON1x8(SB), NOSPLIT, $0-8
	LOADARGS

tile:
	STARTTILE
	MOVD R1, R10
	ADD  R2, R10, R1
	ZERO(V0, V1)

k:
	LOADB
	ROW(R10, V18, V0, V1)
	SUBS $1, R20, R20
	BNE  k
	CBNZ R22, add
	STORE(V0, V1)
	B    next

add:
	ADDTO(V0, V1)

next:
	SUBS $1, R9, R9
	BNE  tile
	RET
