package forecast

import (
	"encoding/json"
	"fmt"
	"time"
)

// MarshalJSON gives each series as an object: unique_id, model and why it was chosen, season, notes, ds (time stamps, or numbers of
// steps from 1), mean, and quantiles by level.
func (r *Result) MarshalJSON() ([]byte, error) {
	type one struct {
		ID        string               `json:"unique_id"`
		Model     string               `json:"model"`
		Why       string               `json:"why"`
		Season    int                  `json:"season"`
		Notes     []string             `json:"notes,omitempty"`
		DS        any                  `json:"ds"`
		Mean      []float64            `json:"mean"`
		Quantiles map[string][]float64 `json:"quantiles"`
	}
	out := struct {
		Notes  []string `json:"notes,omitempty"`
		Series []one    `json:"series"`
	}{Notes: r.Notes}
	for i := range r.Series {
		s := &r.Series[i]
		j := one{ID: s.ID, Model: s.Model, Why: s.Why, Season: s.Season, Notes: s.Notes, Mean: s.Mean, Quantiles: map[string][]float64{}}
		if s.Time != nil {
			stamps := make([]string, len(s.Time))
			for k, t := range s.Time {
				stamps[k] = t.Format(time.RFC3339Nano)
			}
			j.DS = stamps
		} else {
			steps := make([]int, len(s.Mean))
			for k := range steps {
				steps[k] = s.First + k + 1
			}
			j.DS = steps
		}
		for q, level := range r.Quantiles {
			j.Quantiles[fmt.Sprint(level)] = s.Quantiles[q]
		}
		out.Series = append(out.Series, j)
	}
	return json.Marshal(out)
}
