//go:build !purego

package kernel

import (
	"unsafe"

	"github.com/hanji-ml/hanji/internal/cpu"
)

func addBins(h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32) bool {
	if !useAsm() {
		return false
	}
	addBinsAVX2(h, bins, stride, pairs)
	return true
}

func addIntBins(h *[4]*[256]int64, bins []uint8, stride int, sums []int64) bool {
	if !useAsm() {
		return false
	}
	addIntBinsAVX2(h, bins, stride, sums)
	return true
}

func gatherBins(dst, src []uint8, stride int, rows []int32) bool {
	if !useAsm() {
		return false
	}
	gatherBinsAVX2(dst, src, stride, rows)
	return true
}

func gatherPairs(dst, src [][2]float32, rows []int32) bool {
	if !useAsm() {
		return false
	}
	gatherPairsAVX2(dst, src, rows)
	return true
}

func hasTreeLeaves() bool { return useAsm() }

func treeLeaves(leaf, ranks []uint8, splits []TreeSplit, sets []ByteSet) bool {
	p, q := (*byte)(unsafe.Pointer(unsafe.SliceData(splits))), (*byte)(unsafe.Pointer(unsafe.SliceData(sets))) // the generator knows no structs
	switch {
	case cpu.X86.AVX512:
		treeLeavesAVX512(leaf, ranks, p, len(splits), q)
	case cpu.X86.AVX2:
		treeLeavesAVX2(leaf, ranks, p, len(splits), q)
		treeLeavesAVX2(leaf[TreeRows/2:], ranks[TreeRows/2:], p, len(splits), q)
	default:
		return false
	}
	return true
}

// rank does the first ones and tells how many.
func rank(dst []uint8, x []float64, bounds *[255]float64) int {
	n := len(x) &^ 31
	if n == 0 || !cpu.X86.AVX512 {
		return 0
	}
	rankAVX512(dst, x[:n], bounds)
	return n
}

// treeWalk does the first trees and tells how many.
func treeWalk(at []int32, nodes []TreeNode, ranks *[256]uint8) int {
	n := len(at) &^ 7
	if n == 0 || !useAsm() {
		return 0
	}
	treeWalkAVX2(at[:n], unsafe.Slice((*uint32)(unsafe.SliceData(nodes)), len(nodes)), ranks)
	return n
}

func scanSplits(bins [][2]float64, backwards bool, s *SplitScan) bool {
	if !useAsm() {
		return false
	}
	first, step := 0, 16
	if backwards {
		first, step = len(bins)-1, -16
	}
	scanSplitsAVX2(&bins[first], len(bins), step, (*[11]float64)(unsafe.Pointer(s)))
	if s.At > 0 { // it counts down
		s.At = len(bins) + 1 - s.At
	}
	return true
}
