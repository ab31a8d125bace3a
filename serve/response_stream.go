package serve

// responseStream is the sink of /v1/responses: it puts the answer's items together and, where there is a stream, tells of
// each step as OpenAI's API does.
type responseStream struct {
	*stream // nil: the answer is sent whole
	q       *request
	out     wireResponse
	told    int // events
	open    *wireItem
	text    string
	probs   []wireProb
	reason  string
}

// tell sends an event.
func (r *responseStream) tell(name string, fields map[string]any) error {
	if r.stream == nil {
		return nil
	}
	fields["type"], fields["sequence_number"] = name, r.told
	r.told++
	return r.send(name, fields)
}

func (r *responseStream) idle() error {
	if r.stream == nil {
		return nil
	}
	return r.stream.idle()
}

func (r *responseStream) start() error {
	if r.stream == nil {
		return nil
	}
	r.stream.open()
	if err := r.tell("response.created", map[string]any{"response": r.out}); err != nil {
		return err
	}
	return r.tell("response.in_progress", map[string]any{"response": r.out})
}

func (r *responseStream) event(e event) error {
	if e.text != "" || len(e.probs) > 0 {
		if err := r.say(e); err != nil {
			return err
		}
	}
	for _, c := range e.calls {
		if err := r.call(c); err != nil {
			return err
		}
	}
	if e.finish == "" {
		return nil
	}
	r.reason = e.finish
	if len(r.out.Output) == 0 && r.open == nil { // an answer of nothing is an empty message
		if err := r.begin(); err != nil {
			return err
		}
	}
	return r.end()
}

// begin opens a message.
func (r *responseStream) begin() error {
	r.open, r.text, r.probs = &wireItem{ID: newID("msg_"), Type: "message", Status: "in_progress", Role: "assistant", Content: &[]wirePart{}}, "", nil
	if err := r.tell("response.output_item.added", map[string]any{"output_index": len(r.out.Output), "item": r.open}); err != nil {
		return err
	}
	return r.tell("response.content_part.added", r.at(map[string]any{"part": outputText("", nil)}))
}

// at adds the place of the open message's text.
func (r *responseStream) at(fields map[string]any) map[string]any {
	fields["item_id"], fields["output_index"], fields["content_index"] = r.open.ID, len(r.out.Output), 0
	return fields
}

func (r *responseStream) say(e event) error {
	if r.open == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	r.text += e.text
	probs := []wireProb{}
	if w := r.q.wireProbs(e.probs); w != nil {
		probs = w.Content
	}
	r.probs = append(r.probs, probs...)
	return r.tell("response.output_text.delta", r.at(map[string]any{"delta": e.text, "logprobs": probs}))
}

// end closes the open message.
func (r *responseStream) end() error {
	if r.open == nil {
		return nil
	}
	part := outputText(r.text, r.probs)
	if err := r.tell("response.output_text.done", r.at(map[string]any{"text": r.text, "logprobs": part.LogProbs})); err != nil {
		return err
	}
	if err := r.tell("response.content_part.done", r.at(map[string]any{"part": part})); err != nil {
		return err
	}
	item := *r.open
	item.Content, item.Status = &[]wirePart{part}, "completed"
	if r.reason == "length" {
		item.Status = "incomplete"
	}
	r.open = nil
	return r.add(item)
}

// add puts a whole item to the answer's.
func (r *responseStream) add(item wireItem) error {
	r.out.Output = append(r.out.Output, item)
	return r.tell("response.output_item.done", map[string]any{"output_index": len(r.out.Output) - 1, "item": item})
}

func (r *responseStream) call(c toolCall) error {
	if err := r.end(); err != nil {
		return err
	}
	nothing := ""
	item := wireItem{ID: newID("fc_"), Type: "function_call", Status: "in_progress", CallID: c.ID, Name: c.Name, Arguments: &nothing}
	index := len(r.out.Output)
	if err := r.tell("response.output_item.added", map[string]any{"output_index": index, "item": item}); err != nil {
		return err
	}
	if err := r.tell("response.function_call_arguments.delta", map[string]any{"item_id": item.ID, "output_index": index, "delta": c.Arguments}); err != nil {
		return err
	}
	if err := r.tell("response.function_call_arguments.done", map[string]any{"item_id": item.ID, "output_index": index, "name": c.Name, "arguments": c.Arguments}); err != nil {
		return err
	}
	item.Arguments, item.Status = &c.Arguments, "completed"
	return r.add(item)
}
