//go:build purego || !amd64

package kernel

func addBins(h *[4]*[256][2]float64, bins []uint8, stride int, pairs [][2]float32) bool { return false }

func addIntBins(h *[4]*[256]int64, bins []uint8, stride int, sums []int64) bool { return false }

func gatherBins(dst, src []uint8, stride int, rows []int32) bool { return false }

func gatherPairs(dst, src [][2]float32, rows []int32) bool { return false }

func hasTreeLeaves() bool { return false }

func treeLeaves(leaf, ranks []uint8, splits []TreeSplit, sets []ByteSet) bool { return false }

func rank(dst []uint8, x []float64, bounds *[255]float64) int { return 0 }

func treeWalk(at []int32, nodes []TreeNode, ranks *[256]uint8) int { return 0 }

func scanSplits(bins [][2]float64, backwards bool, s *SplitScan) bool { return false }
