package series

import (
	"fmt"
	"math"
	"strings"
)

// ETS is exponential smoothing in state-space form with automatic choice of Error, Trend and Season (Hyndman, Koehler, Ord
// and Snyder, Forecasting with Exponential Smoothing, 2008; the choices of R's ets and statsforecast's AutoETS): every
// admissible model is fitted by maximum likelihood over weights and initial states, and the least AICc wins.
//
// Multiplicative errors and seasons need positive data; additive errors never go with a multiplicative trend or season.
// Seasons longer than 24 steps are taken out by classical decomposition first, as their states would be too many to
// estimate. A series too short for any AICc (under five points) is continued by [SES].
type ETS struct {
	// Model is error, trend and season, each A, M, N or Z (choose), with d after the trend for a damped one: "ANN",
	// "MAdM". Trend Z tries N, A and damped A. Default "ZZZ".
	Model string
	// MultiplicativeTrend lets a Z trend be multiplicative too. Such trends explode: default off, as in R.
	MultiplicativeTrend bool
	// Region is where the weights may lie; default ETSUsual.
	Region ETSRegion
}

// ETSRegion is a set of weights that [ETS] searches.
type ETSRegion int

const (
	// ETSUsual is R's region β ≤ α, γ ≤ 1 − α, in which every weight is a share of what is left.
	ETSUsual ETSRegion = iota
	// ETSBox is statsforecast's: a box whose sides are the first guesses of α (0.2, or 0.2 over the season once a seasonal
	// trend was tried), so that β stays below that guess and may exceed α. On the Monash sets its forecasts are worse; it is here to compare.
	ETSBox
)

var _ Method = ETS{}

// Name implements [Method].
func (s ETS) Name() string {
	if s.Model == "" || s.Model == "ZZZ" {
		return "ETS"
	}
	return "ETS(" + s.Model + ")"
}

// maxETSSeason is the longest season whose states are estimated (R's ets: "Frequency too high" above 24).
const maxETSSeason = 24

// Fit implements [Method]; one point is enough. The result is an [*ETSFit] unless the series was constant or too short.
func (s ETS) Fit(y []float64, m int) (Fitted, error) {
	m, err := check(s.Name(), y, m, 1)
	if err != nil {
		return nil, err
	}
	shapes, err := s.shapes()
	if err != nil {
		return nil, err
	}
	if constant(y) {
		return Naive{}.Fit(y, m)
	}
	var season seasonal
	x := y
	if m > maxETSSeason {
		if len(y) >= 2*m {
			season = decomposed(y, m, true, 0.01)
			x = season.adjust(y)
		}
		m = 1
	}
	f := searchETS(x, m, shapes, s.Region)
	if f == nil {
		return SES{}.Fit(y, m)
	}
	if season.index != nil {
		return &seasoned{f, season, len(y), restoreErrors(f.Residuals(), season)}, nil
	}
	return f, nil
}

// etsShape is one model of the family.
type etsShape struct {
	err, trend, season byte // 'N', 'A', 'M'
	damped             bool
}

func (s etsShape) String() string {
	d := ""
	if s.damped {
		d = "d"
	}
	return string(s.err) + string(s.trend) + d + string(s.season)
}

// shapes lists the models asked for, in the order in which statsforecast tries them: a tie keeps the first.
func (s ETS) shapes() ([]etsShape, error) {
	text := s.Model
	if text == "" {
		text = "ZZZ"
	}
	undamped, damped := strings.Replace(text, "d", "", 1), strings.Contains(text, "d")
	bad := fmt.Errorf("series: ETS model %q: want error, trend, season such as ZZZ, ANN or MAdM", text)
	if len(undamped) != 3 || damped && (text[2] != 'd' || text[1] == 'N') ||
		!strings.Contains("AMZ", undamped[:1]) || !strings.Contains("NAMZ", undamped[1:2]) || !strings.Contains("NAMZ", undamped[2:]) {
		return nil, bad
	}
	options := func(c byte, all string) string {
		if c == 'Z' {
			return all
		}
		return string(c)
	}
	trends := "NA"
	if s.MultiplicativeTrend {
		trends = "NAM"
	}
	var out []etsShape
	for _, e := range options(undamped[0], "AM") {
		for _, t := range options(undamped[1], trends) {
			for _, c := range options(undamped[2], "NAM") {
				if e == 'A' && (t == 'M' || c == 'M') || e == 'M' && t == 'M' && c == 'A' {
					continue
				}
				shape := etsShape{byte(e), byte(t), byte(c), true}
				if t != 'N' && (damped || undamped[1] == 'Z') {
					out = append(out, shape)
				}
				if shape.damped = false; !damped {
					out = append(out, shape)
				}
			}
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("series: ETS model %q: an additive error with a multiplicative part is not stable: use error M", text)
	}
	return out, nil
}

// searchETS fits the shapes that suit y and returns the one of least AICc; nil where none has one.
func searchETS(y []float64, m int, shapes []etsShape, region ETSRegion) *ETSFit {
	positive := true
	for _, v := range y {
		positive = positive && v > 0
	}
	w := &etsWork{y: y, region: region, mostBeta: etsMost, mostGamma: etsMost, nm: nelderMead{maxIter: 2000, tol: 1e-4, step: 0.1}} // R's limit and step
	if region == ETSBox {
		w.nm.maxIter, w.nm.step = 1000, 0.05
	}
	var best *ETSFit
	for _, s := range shapes {
		if !positive && (s.err == 'M' || s.season == 'M') || s.season != 'N' && (m < 2 || len(y) <= m) {
			continue
		}
		if f := w.fit(s, m); f != nil && (best == nil || f.AICc < best.AICc) {
			best = f
		}
	}
	return best
}

// ETSFit is a fitted [ETS] model.
type ETSFit struct {
	Model                   string  // such as "MAdN"
	Alpha, Beta, Gamma, Phi float64 // weights of level, trend and season, damping; 0 (Phi 1) where the model has no such part
	Level, Trend            float64 // initial states
	Season                  []float64
	AICc                    float64
	LogLik                  float64 // up to the constant R leaves out: −½·(n·log Σe² + 2·Σlog|ŷ| for multiplicative errors)
	Sigma2                  float64 // variance of the errors (relative ones for multiplicative errors)

	shape  etsShape
	m, n   int
	resid  []float64
	level  float64 // states at the end
	trend  float64
	season []float64 // of step n+k at (n+k) % m
}

// Residuals implements [Fitted].
func (f *ETSFit) Residuals() []float64 { return f.resid }

// Forecast implements [Fitted]. With an additive trend and season the error variance is the closed form of Hyndman et al.
// 2008, §6.3 (additive errors, class 1) and §6.4 (multiplicative errors, class 2); otherwise 2,000 seeded paths give it.
func (f *ETSFit) Forecast(h int) Forecast {
	out := newForecast(h)
	f.path(out.Mean, nil)
	if f.shape.trend == 'M' || f.shape.season == 'M' {
		if h <= 0 {
			return out
		}
		sd := math.Sqrt(f.Sigma2)
		draws := make([][]float64, paths)
		for i := range draws {
			draws[i] = make([]float64, h)
			f.path(draws[i], func(k int) float64 { return sd * gaussian(uint64(f.n), uint64(i), uint64(k)) })
		}
		return fromPaths(out.Mean, draws)
	}
	c, damp, power := make([]float64, len(out.Mean)), 0.0, 1.0
	theta := make([]float64, len(out.Mean))
	sum := 0.0
	for k := range out.Mean {
		// c[j] is what an error leaves in the forecast j+1 steps later
		power *= f.Phi
		damp += power
		c[k] = f.Alpha + f.Beta*damp
		if f.shape.season != 'N' && (k+1)%f.m == 0 {
			c[k] += f.Gamma
		}
		if f.shape.err == 'A' {
			out.Sigma[k] = math.Sqrt(f.Sigma2 * (1 + sum))
			sum += c[k] * c[k]
			continue
		}
		theta[k] = out.Mean[k] * out.Mean[k]
		for j := range k {
			theta[k] += f.Sigma2 * c[j] * c[j] * theta[k-1-j]
		}
		out.Sigma[k] = math.Sqrt(max((1+f.Sigma2)*theta[k]-out.Mean[k]*out.Mean[k], 0))
	}
	return out
}

// path continues the series from its last states; noise, where given, is the error of each step.
func (f *ETSFit) path(dst []float64, noise func(k int) float64) {
	l, b := f.level, f.trend
	var season []float64
	if f.season != nil {
		season = append(season, f.season...)
	}
	for k := range dst {
		q, step := l, 0.0
		switch f.shape.trend {
		case 'A':
			step = f.Phi * b
			q = l + step
		case 'M':
			step = math.Pow(b, f.Phi)
			q = l * step
		}
		v, j := q, 0
		if season != nil {
			j = (f.n + k) % f.m
			if f.shape.season == 'A' {
				v += season[j]
			} else {
				v *= season[j]
			}
		}
		if noise != nil {
			if e := noise(k); f.shape.err == 'A' {
				v += e
			} else {
				v *= 1 + e
			}
		}
		dst[k] = v
		s := 0.0
		if season != nil {
			s = season[j]
		}
		l, b, s = f.shape.update(v, q, l, step, s, f.Alpha, f.Beta, f.Gamma)
		if season != nil {
			season[j] = s
		}
	}
}

// update takes the value v into the states: q is the level expected of it and step the damped trend.
func (s etsShape) update(v, q, l, step, season, alpha, beta, gamma float64) (level, trend, newSeason float64) {
	p, t := v, 0.0
	switch s.season {
	case 'A':
		p, t = v-season, v-q
	case 'M':
		p, t = ratio(v, season), ratio(v, q)
	}
	level = q + alpha*(p-q)
	switch s.trend {
	case 'A':
		trend = step + beta/alpha*(level-l-step)
	case 'M':
		trend = step + beta/alpha*(ratio(level, l)-step)
	}
	return level, trend, season + gamma*(t-season)
}

// ratio keeps a state finite where its divisor vanishes, with R's constants.
func ratio(a, b float64) float64 {
	if math.Abs(b) < 1e-10 {
		return 1e10
	}
	return a / b
}

// seasoned puts the season back on the forecasts of a fit of the adjusted series.
type seasoned struct {
	Fitted
	season seasonal
	n      int
	resid  []float64
}

func (s *seasoned) Residuals() []float64 { return s.resid }

func (s *seasoned) Forecast(h int) Forecast {
	out := s.Fitted.Forecast(h)
	for k := range out.Mean {
		out.Mean[k] = s.season.restore(out.Mean[k], s.n+k)
		out.Sigma[k] *= s.season.scale(s.n + k)
		for _, band := range [][][]float64{out.draws} {
			if band != nil {
				for i := range band[k] {
					band[k][i] = s.season.restore(band[k][i], s.n+k)
				}
			}
		}
	}
	return out
}

func restoreErrors(e []float64, s seasonal) []float64 {
	out := append([]float64(nil), e...)
	for t := range out {
		out[t] *= s.scale(t)
	}
	return out
}
