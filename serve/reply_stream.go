package serve

import "net/http"

// replyStream is the sink of a streamed /v1/messages.
type replyStream struct {
	*stream
	q      *request
	out    wireReply
	next   int  // index of the next block
	inside bool // a block is open
}

func (s *Server) replyStream(w http.ResponseWriter, r *http.Request, q *request, out wireReply) *fault {
	to := &replyStream{stream: newStream(w), q: q, out: out}
	u, f := s.pour(r, to.stream, q, to)
	if f != nil {
		return f
	}
	if to.tell("message_delta", map[string]any{"delta": map[string]any{"stop_reason": to.out.Reason, "stop_sequence": to.out.Sequence}, "usage": u.reply()}) == nil {
		_ = to.tell("message_stop", map[string]any{}) // a client that left has no use for it
	}
	return nil
}

func (t *replyStream) tell(name string, fields map[string]any) error {
	fields["type"] = name
	return t.send(name, fields)
}

func (t *replyStream) idle() error { return t.tell("ping", map[string]any{}) }

func (t *replyStream) start() error {
	t.open()
	t.out.Usage = usage{prompt: len(t.q.prompts[0])}.reply()
	return t.tell("message_start", map[string]any{"message": t.out})
}

func (t *replyStream) event(e event) error {
	if e.text != "" {
		if !t.inside {
			t.inside = true
			if err := t.tell("content_block_start", map[string]any{"index": t.next, "content_block": textBlock("")}); err != nil {
				return err
			}
		}
		if err := t.delta(map[string]string{"type": "text_delta", "text": e.text}); err != nil {
			return err
		}
	}
	for _, c := range e.calls {
		if err := t.end(); err != nil {
			return err
		}
		if err := t.tell("content_block_start", map[string]any{"index": t.next, "content_block": callBlock(c, "{}")}); err != nil {
			return err
		}
		t.inside = true
		if err := t.delta(map[string]string{"type": "input_json_delta", "partial_json": c.Arguments}); err != nil {
			return err
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if e.finish == "" {
		return nil
	}
	t.out.ended(e.finish, e.stop)
	return t.end()
}

func (t *replyStream) delta(d map[string]string) error {
	return t.tell("content_block_delta", map[string]any{"index": t.next, "delta": d})
}

// end closes the open block.
func (t *replyStream) end() error {
	if !t.inside {
		return nil
	}
	t.inside = false
	t.next++
	return t.tell("content_block_stop", map[string]any{"index": t.next - 1})
}
