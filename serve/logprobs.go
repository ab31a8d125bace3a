package serve

// wireProbs is OpenAI's logprobs of a chat.
type wireProbs struct {
	Content []wireProb `json:"content"`
	Refusal *struct{}  `json:"refusal"`
}

type wireProb struct {
	oneProb
	Top []oneProb `json:"top_logprobs"`
}

type oneProb struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// leastLogProb is what OpenAI writes for what is next to impossible; JSON has no infinity.
const leastLogProb = -9999

func (m *Model) oneProb(id int32, lp float64) oneProb {
	text := m.text(id)
	p := oneProb{Token: text, LogProb: max(lp, leastLogProb), Bytes: make([]int, len(text))}
	for i := range len(text) {
		p.Bytes[i] = int(text[i])
	}
	return p
}

// wireProbs is nil where none were asked for.
func (q *request) wireProbs(probs []tokenProb) *wireProbs {
	if !q.o.LogProbs {
		return nil
	}
	w := &wireProbs{Content: []wireProb{}}
	for _, p := range probs {
		one := wireProb{oneProb: q.m.oneProb(p.id, p.lp), Top: []oneProb{}}
		for _, t := range p.top {
			one.Top = append(one.Top, q.m.oneProb(t.ID, t.LogProb))
		}
		w.Content = append(w.Content, one)
	}
	return w
}
