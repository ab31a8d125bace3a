package series

import "math"

// arimaOrder is ARIMA(p,d,q)(P,D,Q)[m], with a mean where d+D = 0 and a drift where d+D = 1 if constant is set.
type arimaOrder struct {
	p, d, q, sp, sd, sq int
	constant            bool
}

// arimaWork fits orders with the same differences to the same series.
type arimaWork struct {
	w      []float64 // differenced series
	m      int
	centre float64 // first guess of the mean of w and its standard error: the mean parameter is (μ − centre)/scale
	scale  float64
	order  arimaOrder
	phi    []float64 // expanded polynomials
	theta  []float64
	buf    []float64
	par    []float64
}

func newARIMAWork(w []float64, m int) *arimaWork {
	a := &arimaWork{w: w, m: m, centre: mean(w)}
	a.scale = deviation(w) / math.Sqrt(float64(len(w)))
	if !(a.scale > 0) {
		a.scale = 1
	}
	return a
}

// expand writes the polynomials of the parameters (p AR, q MA, P seasonal AR, Q seasonal MA, mean) into phi and theta and
// returns the mean. With transformed set, AR parameters are unbounded and mapped to stationary ones by way of partial
// autocorrelations tanh(x) (Jones, Technometrics 22, 1980).
func (a *arimaWork) expand(x []float64, transformed bool) (mu float64) {
	o := a.order
	p, q := o.p+a.m*o.sp, o.q+a.m*o.sq
	a.phi, a.theta = resized(a.phi, p), resized(a.theta, q)
	a.par = resized(a.par, len(x))
	copy(a.par, x)
	if transformed {
		fromPartial(a.par[:o.p], x[:o.p])
		fromPartial(a.par[o.p+o.q:o.p+o.q+o.sp], x[o.p+o.q:o.p+o.q+o.sp])
	}
	ar, ma := a.par[:o.p], a.par[o.p:o.p+o.q]
	sar, sma := a.par[o.p+o.q:o.p+o.q+o.sp], a.par[o.p+o.q+o.sp:o.p+o.q+o.sp+o.sq]
	copy(a.phi, ar)
	copy(a.theta, ma)
	for j, v := range sar { // (1 − Σφ Bⁱ)(1 − ΣΦ Bᵐʲ)
		a.phi[(j+1)*a.m-1] += v
		for i, u := range ar {
			a.phi[(j+1)*a.m+i] -= u * v
		}
	}
	for j, v := range sma {
		a.theta[(j+1)*a.m-1] += v
		for i, u := range ma {
			a.theta[(j+1)*a.m+i] += u * v
		}
	}
	if o.constant {
		return a.centre + a.scale*x[len(x)-1]
	}
	return 0
}

// resized returns a zeroed slice of n, in place where it fits.
func resized(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// fromPartial turns tanh(x) as partial autocorrelations into AR coefficients (Durbin and Levinson's recursion).
func fromPartial(dst, x []float64) {
	var work [16]float64
	for j := range dst {
		r := math.Tanh(x[j])
		dst[j] = r
		for k := range j {
			work[k] = dst[k] - r*dst[j-k-1]
		}
		copy(dst[:j], work[:j])
	}
}

// toPartial inverts fromPartial up to the tanh: the partial autocorrelations of AR coefficients; all lie in (−1, 1) exactly
// where the polynomial is stationary.
func toPartial(phi []float64) []float64 {
	r := append([]float64(nil), phi...)
	work := make([]float64, len(r))
	for j := len(r) - 1; j > 0; j-- {
		a := r[j]
		for k := range j {
			work[k] = (r[k] + a*r[j-k-1]) / (1 - a*a)
		}
		copy(r[:j], work[:j])
	}
	return r
}

// conditional is half the logarithm of the mean squared error when values before the first p steps are taken as given and
// errors before as 0 (CSS).
func (a *arimaWork) conditional(x []float64) float64 {
	mu := a.expand(x, false)
	n, p, q := len(a.w), len(a.phi), len(a.theta)
	if n <= p {
		return math.NaN()
	}
	a.buf = resized(a.buf, n)
	e, s := a.buf, 0.0
	for t := p; t < n; t++ {
		v := a.w[t] - mu
		for j, f := range a.phi {
			if f != 0 {
				v -= f * (a.w[t-j-1] - mu)
			}
		}
		for j := range min(t-p, q) {
			if a.theta[j] != 0 {
				v -= a.theta[j] * e[t-j-1]
			}
		}
		e[t] = v
		s += v * v
	}
	return 0.5 * math.Log(s/float64(n-p))
}

// likelihood is −log likelihood per point up to a constant, ½(log σ² + mean log F), of the exact Gaussian model.
func (a *arimaWork) likelihood(x []float64) float64 {
	mu := a.expand(x, true)
	ssq, logs, ok := a.filter(mu, nil)
	if !ok || !(ssq > 0) {
		return math.Inf(1)
	}
	n := float64(len(a.w))
	return 0.5 * (math.Log(ssq/n) + logs/n)
}

// filter runs the Kalman filter of the stationary ARMA model in Harvey's form by Chandrasekhar's recursions (Morf, Sidhu
// and Kailath, IEEE Trans. Autom. Control 19, 1974): the change of the state covariance from step to step has rank one, so
// a step costs O(r) instead of O(r²), and a monthly model has r = 26 or more. It returns Σv²/F and Σlog F.
// each, where given, receives step, innovation and its variance; the last state stays in a.state().
func (a *arimaWork) filter(mu float64, each func(t int, v, f float64)) (ssq, logs float64, ok bool) {
	p, q := len(a.phi), len(a.theta)
	r := max(p, q+1)
	a.buf = resized(a.buf, 4*r+2*(p+1)+(p+1)*(p+2)+q+2)
	buf := a.buf
	cut := func(k int) []float64 { s := buf[:k:k]; buf = buf[k:]; return s }
	state, first, gain, change := cut(r), cut(r), cut(r), cut(r)
	if !a.covariance(first, cut(2*(p+1)+(p+1)*(p+2)+q+2)) {
		return 0, 0, false
	}
	f := first[0]
	a.transition(gain, first)
	copy(change, gain)
	weight := -1 / f
	product, moving := 1.0, true
	for t, y := range a.w {
		if !(f > 0) {
			return 0, 0, false
		}
		v := y - mu - state[0]
		ssq += v * v / f
		if product *= f; !(product < 1e200 && product > 1e-200) {
			logs += math.Log(product)
			product = 1
		}
		if each != nil {
			each(t, v, f)
		}
		a.transition(state, state)
		k := v / f
		for i, g := range gain {
			state[i] += g * k
		}
		if !moving {
			continue
		}
		z := change[0]
		fNext := f + z*z*weight
		if !(fNext > 0) {
			return 0, 0, false
		}
		a.transition(change, change)
		largest := 0.0
		for i := range gain {
			gain[i] += change[i] * weight * z
			change[i] -= gain[i] / fNext * z
			largest = max(largest, math.Abs(change[i]))
		}
		weight += weight * weight * z * z / f
		f = fNext
		moving = largest*largest*math.Abs(weight) > 1e-15 // below that F no longer changes
	}
	return ssq, logs + math.Log(product), true
}

// transition writes T·x: row i is φ[i]·x[0] + x[i+1]. dst may be x.
func (a *arimaWork) transition(dst, x []float64) {
	x0, last := x[0], len(x)-1
	copy(dst, x[1:])
	dst[last] = 0
	for i, f := range a.phi {
		dst[i] += f * x0
	}
}

// covariance writes the first column of the stationary state covariance, Cov(state, y), for unit error variance: with
// autocovariances γ and the weights ψ of past errors, entry i ≥ 1 is Σ_{j≥i} φ[j+1]·γ(j−i+1) + θ[j]·ψ(j−i), and entry 0 γ(0).
func (a *arimaWork) covariance(dst, buf []float64) bool {
	p, q, r := len(a.phi), len(a.theta), len(dst)
	cut := func(k int) []float64 { s := buf[:k:k]; buf = buf[k:]; return s }
	psi, gamma := cut(q+1), cut(p+1)
	theta := func(j int) float64 {
		if j == 0 {
			return 1
		}
		return a.theta[j-1]
	}
	for j := range psi {
		psi[j] = theta(j)
		for i := 1; i <= min(j, p); i++ {
			psi[j] += a.phi[i-1] * psi[j-i]
		}
	}
	// γ(k) − Σφ[i]·γ(|k−i|) = Σ_{j≥k} θ[j]·ψ(j−k)
	for k := range gamma {
		for j := k; j <= q; j++ {
			gamma[k] += theta(j) * psi[j-k]
		}
	}
	if p > 0 {
		mat := cut((p + 1) * (p + 1))
		for k := range p + 1 {
			mat[k*(p+1)+k]++
			for i, f := range a.phi {
				at := k - i - 1
				if at < 0 {
					at = -at
				}
				mat[k*(p+1)+at] -= f
			}
		}
		if !solve(mat, gamma) {
			return false
		}
	}
	dst[0] = gamma[0]
	for i := 1; i < r; i++ {
		dst[i] = 0
		for j := i; j < p; j++ {
			dst[i] += a.phi[j] * gamma[j-i+1]
		}
		for j := i; j <= q; j++ {
			dst[i] += theta(j) * psi[j-i]
		}
	}
	return gamma[0] > 0
}

// solve overwrites b with a⁻¹b by elimination with row exchanges; a is n×n and is destroyed.
func solve(a, b []float64) bool {
	n := len(b)
	for k := range n {
		pivot := k
		for i := k + 1; i < n; i++ {
			if math.Abs(a[i*n+k]) > math.Abs(a[pivot*n+k]) {
				pivot = i
			}
		}
		if math.Abs(a[pivot*n+k]) < 1e-300 {
			return false
		}
		if pivot != k {
			for j := k; j < n; j++ {
				a[k*n+j], a[pivot*n+j] = a[pivot*n+j], a[k*n+j]
			}
			b[k], b[pivot] = b[pivot], b[k]
		}
		for i := k + 1; i < n; i++ {
			if a[i*n+k] == 0 {
				continue
			}
			f := a[i*n+k] / a[k*n+k]
			for j := k; j < n; j++ {
				a[i*n+j] -= f * a[k*n+j]
			}
			b[i] -= f * b[k]
		}
	}
	for k := n - 1; k >= 0; k-- {
		for j := k + 1; j < n; j++ {
			b[k] -= a[k*n+j] * b[j]
		}
		b[k] /= a[k*n+k]
	}
	return true
}
