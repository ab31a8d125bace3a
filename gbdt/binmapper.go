package gbdt

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// sparseThreshold: a bin other than zero's counts as the most frequent one only if it holds that share (bin.h).
const sparseThreshold = 0.7

// binMapper maps the values of a feature to bins (bin.cpp). Bin b of a numerical feature holds the values in
// (upper[b−1], upper[b]]; with missing type NaN there is one bin more, the last. Bin b > 0 of a categorical feature
// holds the category categories[b], bin 0 all that is rare, negative or NaN.
type binMapper struct {
	numBin      int
	categorical bool
	missing     missingType
	trivial     bool // nothing to split on
	upper       []float64
	categories  []int32
	binOf       map[int32]int32
	sparseRate  float64
	min, max    float64
	defaultBin  int // of zero
	mostFreqBin int
}

// binParams is what finding bins depends on.
type binParams struct {
	maxBin, minDataInBin int
	useMissing           bool
	zeroAsMissing        bool
	preFilter            bool
	minSplitData         int // what the pre-filter asks of both sides
	forced               []float64
}

// findBins makes a mapper from sampled values, from which zeros are left out: there were total values. It sorts values.
func findBins(values []float64, total int, categorical bool, p binParams) (*binMapper, error) {
	m := &binMapper{numBin: 1, categorical: categorical, trivial: true, sparseRate: 1}
	known := values[:0]
	for _, v := range values {
		if v == v {
			known = append(known, v)
		}
	}
	missing := 0
	switch {
	case !p.useMissing:
	case p.zeroAsMissing:
		m.missing = missingZero
	case len(known) < len(values):
		m.missing = missingNaN
		missing = len(values) - len(known)
	}
	values = known
	zeros := total - len(values) - missing
	sortFloats(values)
	distinct, counts := distinctValues(values, zeros)
	m.min, m.max = distinct[0], distinct[len(distinct)-1]
	var inBin []int
	var err error
	if categorical {
		inBin = m.findCategories(distinct, counts, total, missing, p)
	} else {
		inBin, err = m.findUpper(distinct, counts, total, missing, p)
	}
	if err != nil {
		return nil, err
	}
	m.trivial = m.numBin <= 1 || p.preFilter && unsplittable(inBin, total, p.minSplitData, categorical)
	if m.trivial {
		return m, nil
	}
	m.defaultBin = m.bin(0)
	m.mostFreqBin = argMax(inBin)
	if m.mostFreqBin != m.defaultBin && float64(inBin[m.mostFreqBin])/float64(total) < sparseThreshold {
		m.mostFreqBin = m.defaultBin
	}
	m.sparseRate = float64(inBin[m.mostFreqBin]) / float64(total)
	return m, nil
}

func argMax(v []int) int {
	best := 0
	for i, x := range v {
		if x > v[best] {
			best = i
		}
	}
	return best
}

// nearlyEqual tells of a ≤ b whether b is at most the next double after a.
func nearlyEqual(a, b float64) bool { return b <= math.Nextafter(a, math.Inf(1)) }

// distinctValues gives the values of a sorted list once each, the larger of two neighbours, with zero at its place.
func distinctValues(values []float64, zeros int) (distinct []float64, counts []int) {
	add := func(v float64, n int) { distinct, counts = append(distinct, v), append(counts, n) }
	if len(values) == 0 || values[0] > 0 && zeros > 0 {
		add(0, zeros)
	}
	for i, v := range values {
		switch {
		case i == 0:
			add(v, 1)
		case !nearlyEqual(values[i-1], v):
			if values[i-1] < 0 && v > 0 {
				add(0, zeros)
			}
			add(v, 1)
		default:
			distinct[len(distinct)-1] = v
			counts[len(counts)-1]++
		}
	}
	if len(values) > 0 && values[len(values)-1] < 0 && zeros > 0 {
		add(0, zeros)
	}
	return distinct, counts
}

// findUpper finds the bounds of a numerical feature and counts what is in each bin.
func (m *binMapper) findUpper(distinct []float64, counts []int, total, missing int, p binParams) ([]int, error) {
	find := func(maxBin, total int) []float64 {
		if len(p.forced) > 0 {
			return forcedBounds(distinct, counts, maxBin, total, p.minDataInBin, p.forced)
		}
		return boundsAroundZero(distinct, counts, maxBin, total, p.minDataInBin)
	}
	switch m.missing {
	case missingNaN:
		m.upper = find(p.maxBin-1, total-missing)
		m.numBin = len(m.upper) + 1
	default:
		m.upper = find(p.maxBin, total)
		m.numBin = len(m.upper)
		if m.missing == missingZero && m.numBin == 2 {
			m.missing = missingNone
		}
	}
	if slices.ContainsFunc(m.upper, math.IsNaN) { // halfway between −∞ and +∞
		return nil, fmt.Errorf("the values are infinite on both sides and nothing lies between")
	}
	for i := range m.upper {
		m.upper[i] += 0 // search4 wants no −0
	}
	if m.numBin > p.maxBin {
		return nil, fmt.Errorf("%d bins, at most %d were asked for", m.numBin, p.maxBin)
	}
	inBin, b := make([]int, m.numBin), 0
	for i, v := range distinct {
		for b < len(m.upper)-1 && v > m.upper[b] {
			b++
		}
		inBin[b] += counts[i]
	}
	if m.missing == missingNaN {
		inBin[m.numBin-1] = missing
	}
	return inBin, nil
}

// greedyBounds cuts values into bins of about equal count; a value that alone fills a bin gets its own.
func greedyBounds(distinct []float64, counts []int, maxBin, total, minDataInBin int) []float64 {
	inf := math.Inf(1)
	if len(distinct) == 0 {
		return []float64{inf}
	}
	var bounds []float64
	push := func(lo, hi float64) bool {
		v := math.Nextafter((lo+hi)/2, inf)
		if len(bounds) > 0 && nearlyEqual(bounds[len(bounds)-1], v) {
			return false
		}
		bounds = append(bounds, v)
		return true
	}
	if len(distinct) <= maxBin {
		n := 0
		for i := range len(distinct) - 1 {
			n += counts[i]
			if n >= minDataInBin && push(distinct[i], distinct[i+1]) {
				n = 0
			}
		}
		return append(bounds, inf)
	}
	lower, upper := greedyCuts(distinct, counts, maxBin, total, minDataInBin)
	for i := range len(lower) - 1 {
		push(upper[i], lower[i+1])
	}
	return append(bounds, inf)
}

// greedyCuts gives the first and last value of each bin; upper has one entry less.
func greedyCuts(distinct []float64, counts []int, maxBin, total, minDataInBin int) (lower, upper []float64) {
	if minDataInBin > 0 {
		maxBin = max(min(maxBin, total/minDataInBin), 1)
	}
	mean := float64(total) / float64(maxBin)
	restBins, rest := maxBin, total
	big := make([]bool, len(distinct))
	for i, c := range counts {
		if float64(c) >= mean {
			big[i] = true
			restBins--
			rest -= c
		}
	}
	mean = float64(rest) / float64(restBins)
	lower = append(lower, distinct[0])
	n := 0
	for i := range len(distinct) - 1 {
		if !big[i] {
			rest -= counts[i]
		}
		n += counts[i]
		if !(big[i] || float64(n) >= mean || big[i+1] && float64(n) >= max(1, mean*0.5)) {
			continue
		}
		upper, lower = append(upper, distinct[i]), append(lower, distinct[i+1])
		if len(lower) >= maxBin {
			break
		}
		n = 0
		if !big[i] {
			restBins--
			mean = float64(rest) / float64(restBins)
		}
	}
	return lower, upper
}

// signs finds where the values that are not negative begin, and those that are positive (−1: nowhere).
func signs(distinct []float64) (zero, positive int) {
	zero, positive = len(distinct), -1
	for i, v := range distinct {
		if v > -zeroThreshold {
			zero = i
			break
		}
	}
	for i := zero; i < len(distinct); i++ {
		if distinct[i] > zeroThreshold {
			return zero, i
		}
	}
	return zero, positive
}

// boundsAroundZero gives zero a bin of its own and shares the others between both sides by their counts.
func boundsAroundZero(distinct []float64, counts []int, maxBin, total, minDataInBin int) []float64 {
	left, zeros, right := 0, 0, 0
	for i, v := range distinct {
		switch {
		case v <= -zeroThreshold:
			left += counts[i]
		case v > zeroThreshold:
			right += counts[i]
		default:
			zeros += counts[i]
		}
	}
	zero, positive := signs(distinct)
	var bounds []float64
	if zero > 0 && maxBin > 1 {
		n := max(1, int(float64(left)/float64(total-zeros)*float64(maxBin-1)))
		bounds = greedyBounds(distinct[:zero], counts[:zero], n, left, minDataInBin)
		bounds[len(bounds)-1] = -zeroThreshold
	}
	if n := maxBin - 1 - len(bounds); positive >= 0 && n > 0 {
		bounds = append(bounds, zeroThreshold)
		return append(bounds, greedyBounds(distinct[positive:], counts[positive:], n, right, minDataInBin)...)
	}
	return append(bounds, math.Inf(1))
}

// forcedBounds takes bounds from outside and shares the bins that are left between them
// (FindBinWithPredefinedBin).
func forcedBounds(distinct []float64, counts []int, maxBin, total, minDataInBin int, forced []float64) []float64 {
	zero, positive := signs(distinct)
	var bounds []float64
	switch {
	case maxBin == 2 && zero == 0:
		bounds = append(bounds, zeroThreshold)
	case maxBin == 2:
		bounds = append(bounds, -zeroThreshold)
	case maxBin >= 3:
		if zero > 0 {
			bounds = append(bounds, -zeroThreshold)
		}
		if positive >= 0 {
			bounds = append(bounds, zeroThreshold)
		}
	}
	bounds = append(bounds, math.Inf(1))
	room := maxBin - len(bounds)
	for _, v := range forced {
		if room <= 0 {
			break
		}
		if math.Abs(v) > zeroThreshold {
			bounds = append(bounds, v)
			room--
		}
	}
	slices.Sort(bounds)
	free := maxBin - len(bounds)
	var added []float64
	at := 0
	for i, b := range bounds {
		from, n := at, 0
		for at < len(distinct) && distinct[at] < b {
			n += counts[at]
			at++
		}
		remaining := maxBin - len(bounds) - len(added)
		sub := min(int(math.Round(float64(n)*float64(free)/float64(total))), remaining) + 1
		if i == len(bounds)-1 {
			sub = remaining + 1
		}
		more := greedyBounds(distinct[from:at], counts[from:at], sub, n, minDataInBin)
		added = append(added, more[:len(more)-1]...)
	}
	bounds = append(bounds, added...)
	slices.Sort(bounds)
	return bounds
}

// category cuts a value to an integer; −1 if it is negative or beyond 32 bits.
func category(v float64) int32 {
	if !(v > -1 && v < math.MaxInt32+1) {
		return -1
	}
	return int32(v)
}

// findCategories orders categories by falling count and leaves out the rare ones.
func (m *binMapper) findCategories(distinct []float64, counts []int, total, missing int, p binParams) []int {
	type entry struct {
		category int32
		count    int
	}
	var all []entry
	for i, v := range distinct {
		c := category(v)
		switch {
		case c < 0:
			missing += counts[i]
		case len(all) > 0 && all[len(all)-1].category == c:
			all[len(all)-1].count += counts[i]
		default:
			all = append(all, entry{c, counts[i]})
		}
	}
	if total-missing <= 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b entry) int { return b.count - a.count })
	enough := int(float64(float32(total-missing)*float32(0.99)) + 0.5)
	maxBin := len(all)
	if missing > 0 {
		maxBin++
	}
	maxBin = min(maxBin, p.maxBin)
	m.categories, m.binOf = []int32{-1}, map[int32]int32{-1: 0}
	inBin, used := []int{0}, 0
	for i, e := range all {
		if used >= enough && m.numBin >= maxBin || e.count < p.minDataInBin && i > 1 {
			break
		}
		m.binOf[e.category] = int32(m.numBin)
		m.categories = append(m.categories, e.category)
		inBin = append(inBin, e.count)
		used += e.count
		m.numBin++
	}
	m.missing = missingNaN
	if len(m.categories)-1 == len(all) && missing == 0 {
		m.missing = missingNone
	}
	inBin[0] = total - used
	return inBin
}

// unsplittable tells whether no split leaves enough rows on both sides (NeedFilter).
func unsplittable(inBin []int, total, enough int, categorical bool) bool {
	if categorical && len(inBin) > 2 {
		return false
	}
	left := 0
	for _, c := range inBin[:len(inBin)-1] {
		if categorical {
			left = 0
		}
		left += c
		if left >= enough && total-left >= enough {
			return false
		}
	}
	return true
}

// bin gives the bin of a value.
func (m *binMapper) bin(v float64) int {
	if m.categorical {
		if c := category(v); c >= 0 {
			return int(m.binOf[c])
		}
		return 0
	}
	if v != v {
		if m.missing == missingNaN {
			return m.numBin - 1
		}
		v = 0
	}
	// the first bound that v does not exceed; the last one is infinite
	at, n := 0, len(m.upper)
	for n > 1 {
		half := n / 2
		if v > m.upper[at+half-1] {
			at += half
		}
		n -= half
	}
	return at
}

// value gives a bin's threshold: the bound of a numerical bin, the category of another.
func (m *binMapper) value(bin int) float64 {
	if m.categorical {
		return float64(m.categories[bin])
	}
	if bin >= len(m.upper) {
		return math.NaN()
	}
	return m.upper[bin]
}

// info is what a model file says about the feature.
func (m *binMapper) info() string {
	if m.trivial {
		return "none"
	}
	if m.categorical {
		b := make([]byte, 0, 8*len(m.categories))
		for i, c := range m.categories {
			if i > 0 {
				b = append(b, ':')
			}
			b = strconv.AppendInt(b, int64(c), 10)
		}
		return string(b)
	}
	return "[" + string(appendLong(nil, m.min)) + ":" + string(appendLong(nil, m.max)) + "]"
}
