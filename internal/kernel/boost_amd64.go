//go:build !purego

package kernel

func addBins(h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32) bool {
	if !useAsm() {
		return false
	}
	addBinsAVX2(h, bins, stride, pairs)
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
