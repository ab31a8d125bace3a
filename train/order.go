package train

import "math/rand/v2"

// Order is a permutation of n samples that only seed and epoch decide.
func Order(seed uint64, epoch, n int) []int {
	return rand.New(rand.NewPCG(seed, uint64(epoch))).Perm(n)
}
