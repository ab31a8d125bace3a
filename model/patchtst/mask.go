package patchtst

import (
	"slices"

	"github.com/hanji-ml/hanji/tensor"
)

// MaskRandom hides all but the int(P·(1−ratio)) patches of smallest noise, for each sample and channel. noise is
// [B, noiseChannels, P] with noiseChannels 1 (the same for all channels) or channels; the result is [B, channels, P].
func MaskRandom(noise []float32, noiseChannels, channels, P int, ratio float64) []float32 {
	keep := int(float64(P) * (1 - ratio))
	batch := len(noise) / (noiseChannels * P)
	mask := make([]float32, batch*channels*P)
	for b := range batch {
		for c := range channels {
			row := noise[(b*noiseChannels+c%noiseChannels)*P:][:P]
			for _, p := range argsort(row)[keep:] {
				mask[(b*channels+c)*P+p] = 1
			}
		}
	}
	return mask
}

// MaskForecast hides the last patches of every sample: the batch is cut into as many parts as there are numbers in
// last, part i losing its last[i] patches; sample b of the result is sample order[b] of that list.
func MaskForecast(order []int, channels, P int, last []int) []float32 {
	batch := len(order)
	type part struct{ patches, samples int }
	parts := make([]part, len(last))
	total := 0
	for i, n := range last {
		parts[i] = part{n, batch / len(last)}
		total += parts[i].samples
	}
	parts[0].samples += batch - total // the reference sorts by size first: all sizes are equal here
	cut := make([]int, 0, batch)
	for _, p := range parts {
		for range p.samples {
			cut = append(cut, min(p.patches, P))
		}
	}
	mask := make([]float32, batch*channels*P)
	for b, from := range order {
		for c := range channels {
			row := mask[(b*channels+c)*P:][:P]
			for p := P - cut[from]; p < P; p++ {
				row[p] = 1
			}
		}
	}
	return mask
}

func argsort(v []float32) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case v[a] < v[b]:
			return -1
		case v[a] > v[b]:
			return 1
		}
		return 0
	})
	return order
}

func maskTensor(ctx *tensor.Ctx, mask []float32, unmasked []int, batch, channels, P int) *tensor.Tensor {
	for b := range batch {
		for _, c := range unmasked {
			clear(mask[(b*channels+c)*P:][:P])
		}
	}
	return ctx.F32s(mask, batch, channels, P)
}
