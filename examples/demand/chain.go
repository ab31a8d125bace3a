package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/hanji-ml/hanji/metric"
)

// The stores and departments of M5 (M5 guide, 2020, table 1); the sales below are made up.
var (
	stores      = []string{"CA_1", "CA_2", "CA_3", "CA_4", "TX_1", "TX_2", "TX_3", "WI_1", "WI_2", "WI_3"}
	departments = []string{"FOODS_1", "FOODS_2", "FOODS_3", "HOBBIES_1", "HOBBIES_2", "HOUSEHOLD_1", "HOUSEHOLD_2"}
)

// chain makes up the daily sales of a chain of ten stores: counts whose rate has a level that wanders, a week, a year, food stamps
// (SNAP) on some days of each state, holidays, and prices that are cut now and then. Items come to the shops one by one.
func chain(items, days int) *panel {
	r := rand.New(rand.NewPCG(5, 2020))
	start := time.Date(2014, 1, 4, 0, 0, 0, 0, time.UTC)
	date := func(step int) time.Time { return start.AddDate(0, 0, step) }
	state := func(store int) string { return stores[store][:2] }
	snap := func(store, step int) float64 {
		d := date(step).Day()
		offset := map[string]int{"CA": 0, "TX": 2, "WI": 4}[state(store)]
		if d > offset && d <= offset+10 {
			return 1
		}
		return 0
	}
	holiday := func(step int) float64 {
		if t := date(step); t.Month() == 12 && t.Day() == 25 || t.Month() == 7 && t.Day() == 4 || t.Month() == 11 && t.Weekday() == time.Thursday && t.Day() >= 22 && t.Day() <= 28 {
			return 1
		}
		return 0
	}
	p := &panel{horizon: 28, season: 7, lags: []int{0, 1, 2, 3, 4, 5, 6, 13, 20, 27}, windows: []int{7, 14, 28, 56}}
	var key struct{ item, store, dept, state, cat []string }
	var storeOf []int
	for d, dept := range departments {
		for n := range items {
			rate, price := math.Exp(r.NormFloat64()-0.3), math.Exp(0.6*r.NormFloat64()+1)
			phase, weekend := 2*math.Pi*r.Float64(), 0.2+0.3*r.Float64()
			for s, store := range stores {
				launch := 0
				if r.IntN(3) == 0 {
					launch = r.IntN(days / 3)
				}
				local := rate * math.Exp(0.4*r.NormFloat64())
				level, cut := 0.0, 0
				y, prices := make([]float64, days), make([]float64, days)
				for t := range days {
					if level = 0.97*level + 0.08*r.NormFloat64(); t%7 == 0 {
						if cut--; cut < 0 && r.IntN(12) == 0 {
							cut = 1 + r.IntN(2)
						}
					}
					prices[t] = price
					z := level + 0.25*math.Sin(2*math.Pi*float64(date(t).YearDay())/365+phase)
					if cut >= 0 {
						prices[t], z = 0.8*price, z+0.5
					}
					if w := date(t).Weekday(); w == time.Saturday || w == time.Sunday {
						z += weekend
					}
					if d < 3 {
						z += 0.25 * snap(s, t)
					}
					if holiday(t) == 1 {
						z -= 2
					}
					if t >= launch {
						y[t] = poisson(r, local*math.Exp(z)*r.ExpFloat64()) // a mixture: more zeros and more large days than Poisson
					}
				}
				p.y, p.prices, storeOf = append(p.y, y), append(p.prices, prices), append(storeOf, s)
				key.item, key.store, key.dept = append(key.item, fmt.Sprintf("%s_%03d", dept, n)), append(key.store, store), append(key.dept, dept)
				key.state, key.cat = append(key.state, state(s)), append(key.cat, dept[:len(dept)-2])
			}
		}
	}
	p.attributes = []attribute{codes("item", key.item), codes("store", key.store), codes("dept", key.dept), codes("state", key.state)}
	p.calendar = []known{
		{"weekday", true, func(_, t int) float64 { return float64(date(t).Weekday()) }},
		{"day", false, func(_, t int) float64 { return float64(date(t).Day()) }},
		{"month", true, func(_, t int) float64 { return float64(date(t).Month()) }},
		{"holiday", true, func(_, t int) float64 { return holiday(t) }},
	}
	p.known = []known{
		{"snap", true, func(i, t int) float64 { return snap(storeOf[i], t) }},
		{"price", false, func(i, t int) float64 { return p.prices[i][t] }},
		{"price_cut", false, func(i, t int) float64 { return p.prices[i][t] / p.prices[i][max(0, t-28)] }},
	}
	total := make([]string, len(p.y))
	p.levels = []metric.Level{{Name: "total", Key: total}, {Name: "state", Key: key.state}, {Name: "store", Key: key.store}, {Name: "category", Key: key.cat},
		{Name: "department", Key: key.dept}, {Name: "state × category", Key: pairs(key.state, key.cat)}, {Name: "state × department", Key: pairs(key.state, key.dept)},
		{Name: "store × category", Key: pairs(key.store, key.cat)}, {Name: "store × department", Key: pairs(key.store, key.dept)},
		{Name: "item", Key: key.item}, {Name: "item × state", Key: pairs(key.item, key.state)}, {Name: "item × store", Key: pairs(key.item, key.store)}}
	return p
}

// poisson draws from a Poisson distribution of small mean (Knuth's method).
func poisson(r *rand.Rand, mean float64) float64 {
	n, limit := 0.0, math.Exp(-min(mean, 700))
	for p := r.Float64(); p > limit; p *= r.Float64() {
		n++
	}
	return n
}

// codes numbers the different keys in order of appearance.
func codes(name string, keys []string) attribute {
	a, seen := attribute{name: name}, map[string]float64{}
	for _, k := range keys {
		if _, ok := seen[k]; !ok {
			seen[k] = float64(len(seen))
		}
		a.codes = append(a.codes, seen[k])
	}
	return a
}

func pairs(a, b []string) []string {
	out := make([]string, len(a))
	for i := range a {
		out[i] = a[i] + "/" + b[i]
	}
	return out
}
