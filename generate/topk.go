package generate

// TopK keeps the K largest logits and every one tied with the K-th (Fan et al. 2018, §5.4). K ≥ 1; one beyond the
// vocabulary keeps all. At least MinKeep tokens stay.
type TopK struct{ K, MinKeep int }

// Apply implements [Filter].
func (f TopK) Apply(logits []float32, _ []int32) {
	k := max(f.K, f.MinKeep, 1)
	if k >= len(logits) {
		return
	}
	least := largest(logits, k).value
	for i, v := range logits {
		if v < least {
			logits[i] = negInf
		}
	}
}
