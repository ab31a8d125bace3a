package gbdt

// dart drops some trees before each new one and shrinks both after it (Rashmi and Gilad-Bachrach 2015, "DART: Dropouts
// meet Multiple Additive Regression Trees"; dart.hpp).
type dart struct {
	o       *Options
	rng     random
	weight  []float64 // of each iteration, unless dropping is uniform
	sum     float64
	dropped []int
}

func newDart(o *Options) *dart { return &dart{o: o, rng: newRandom(o.DropSeed)} }

// drop chooses iterations, takes their trees out of the training scores, and sets the rate of the next tree.
func (d *dart) drop(t *trainer) {
	d.choose(t.iter)
	for _, i := range d.dropped {
		for c := range t.obj.classes {
			tr := t.trees[i*t.obj.classes+c]
			tr.shrink(-1)
			t.addToTrain(tr, c)
		}
	}
	k := float64(len(d.dropped))
	switch {
	case !d.o.XGBoostDartMode:
		t.rate = d.o.LearningRate / (1 + k)
	case k == 0:
		t.rate = d.o.LearningRate
	default:
		t.rate = d.o.LearningRate / (d.o.LearningRate + k)
	}
}

func (d *dart) choose(iter int) {
	d.dropped = d.dropped[:0]
	if float64(d.rng.float()) < d.o.SkipDrop {
		return
	}
	rate, mean := d.o.DropRate, 0.0
	if d.o.UniformDrop {
		if d.o.MaxDrop > 0 {
			rate = min(rate, float64(d.o.MaxDrop)/float64(iter))
		}
	} else {
		mean = float64(len(d.weight)) / d.sum
		if d.o.MaxDrop > 0 {
			rate = min(rate, float64(d.o.MaxDrop)*mean/d.sum)
		}
	}
	for i := range iter {
		p := rate
		if !d.o.UniformDrop {
			p = rate * d.weight[i] * mean
		}
		if float64(d.rng.float()) < p {
			d.dropped = append(d.dropped, i)
			if uint(len(d.dropped)) >= uint(d.o.MaxDrop) { // a negative bound is none
				break
			}
		}
	}
}

// restore puts the dropped trees back where no new one was grown. LightGBM leaves them out, with their sign turned.
func (d *dart) restore(t *trainer) {
	for _, i := range d.dropped {
		for c := range t.obj.classes {
			tr := t.trees[i*t.obj.classes+c]
			tr.shrink(-1)
			t.addToTrain(tr, c)
		}
	}
}

// normalize shrinks the dropped trees from −1 to their new weight, in two steps: what lies between goes to the
// validation scores, the rest to the training scores.
func (d *dart) normalize(t *trainer) {
	k := float64(len(d.dropped))
	first, second, share := 1/(k+1), -k, k+1
	if d.o.XGBoostDartMode {
		first, second, share = t.rate, -k/d.o.LearningRate, k+d.o.LearningRate
	}
	for _, i := range d.dropped {
		for c := range t.obj.classes {
			tr := t.trees[i*t.obj.classes+c]
			tr.shrink(first)
			t.addToSets(tr, c)
			tr.shrink(second)
			t.addToTrain(tr, c)
		}
		if !d.o.UniformDrop {
			d.sum -= d.weight[i] * (1 / share)
			d.weight[i] *= k / share
		}
	}
	if !d.o.UniformDrop {
		d.weight = append(d.weight, t.rate)
		d.sum += t.rate
	}
}
