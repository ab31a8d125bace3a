package chat

import (
	"fmt"
	"strings"
)

// Limits of one rendering. A template of a checkpoint is a program from outside: one that
// loops or grows ends with an error.
const (
	maxSteps  = 5_000_000 // nodes evaluated, and one for every 64 bytes handled
	maxOutput = 64 << 20  // bytes of the prompt and of any text made on the way
	maxBytes  = 512 << 20 // bytes of all texts and lists made or gone through
	maxRange  = 100_000   // numbers in a range: jinja2's sandbox (MAX_RANGE)
)

// machine is one rendering under way.
type machine struct {
	out    strings.Builder // the prompt
	sub    *strings.Builder
	spans  []Span
	inGen  bool
	steps  int
	bytes  int
	depth  int // macros within macros
	frame  *frame
	global map[string]any

	filters map[string]filterFunc // filterTable
}

// frame holds the variables of a scope: the template, a turn of a loop, a macro.
// It has few, so they are gone through.
type frame struct {
	vars []variable
	up   *frame
}

type variable struct {
	name  string
	value any
}

func (m *machine) push(up *frame) (restore func()) {
	was := m.frame
	m.frame = &frame{up: up}
	return func() { m.frame = was }
}

func (m *machine) set(name string, v any) {
	m.steps += len(m.frame.vars) / 16
	for i := range m.frame.vars {
		if m.frame.vars[i].name == name {
			m.frame.vars[i].value = v
			return
		}
	}
	m.frame.vars = append(m.frame.vars, variable{name, v})
}

func (m *machine) lookup(name string) any {
	for f := m.frame; f != nil; f = f.up {
		m.steps += len(f.vars) / 16
		for i := range f.vars {
			if f.vars[i].name == name {
				return f.vars[i].value
			}
		}
	}
	if v, ok := m.global[name]; ok {
		return v
	}
	return undefined{fmt.Sprintf("%q is undefined", name)}
}

// step counts an evaluation.
func (m *machine) step() error {
	if m.steps++; m.steps > maxSteps {
		return fmt.Errorf("more than %d steps: does the template end?", maxSteps)
	}
	return nil
}

// charge counts n bytes, or items, that are made or gone through.
func (m *machine) charge(n int) error {
	if n > maxOutput {
		return fmt.Errorf("a text or list of more than %d bytes", maxOutput)
	}
	if m.bytes += n; m.bytes > maxBytes {
		return fmt.Errorf("texts and lists of more than %d bytes in all", maxBytes)
	}
	m.steps += n / 64
	return m.step()
}

func (m *machine) write(s string) error {
	w := &m.out
	if m.sub != nil {
		w = m.sub
	}
	if err := m.charge(len(s)); err != nil {
		return err
	}
	if w.Len()+len(s) > maxOutput {
		return fmt.Errorf("prompt of more than %d bytes", maxOutput)
	}
	w.WriteString(s)
	return nil
}

// capture gives what statements write, instead of the prompt.
func (m *machine) capture(body []node) (string, error) {
	was := m.sub
	m.sub = new(strings.Builder)
	_, err := m.run(body)
	s := m.sub.String()
	m.sub = was
	return s, err
}

// jump is what ends a turn of a loop early.
type jump int

const (
	onward jump = iota
	breaks
	continues
)

// A node is a statement.
type node interface {
	run(m *machine) (jump, error)
}

func (m *machine) run(nodes []node) (jump, error) {
	for _, n := range nodes {
		if err := m.step(); err != nil {
			return onward, err
		}
		if j, err := n.run(m); j != onward || err != nil {
			return j, err
		}
	}
	return onward, nil
}

// at gives an error its line, unless it has one.
func at(line int, err error) error {
	switch err.(type) {
	case nil, *Error, *RaisedError:
		return err
	}
	return &Error{Line: line, Message: err.Error()}
}

type dataNode struct{ text string }

func (n dataNode) run(m *machine) (jump, error) { return onward, m.write(n.text) }

type outputNode struct {
	x    expr
	line int
}

func (n outputNode) run(m *machine) (jump, error) {
	v, err := n.x.eval(m)
	if err != nil {
		return onward, at(n.line, err)
	}
	s, err := m.text(v)
	if err != nil {
		return onward, at(n.line, err)
	}
	return onward, at(n.line, m.write(s))
}

type ifNode struct {
	arms      []ifArm
	otherwise []node
}

type ifArm struct {
	cond expr
	body []node
	line int
}

func (n ifNode) run(m *machine) (jump, error) {
	for _, arm := range n.arms {
		v, err := arm.cond.eval(m)
		if err != nil {
			return onward, at(arm.line, err)
		}
		if truth(v) {
			return m.run(arm.body)
		}
	}
	return m.run(n.otherwise)
}

type jumpNode struct{ ends bool }

func (n jumpNode) run(*machine) (jump, error) {
	if n.ends {
		return breaks, nil
	}
	return continues, nil
}

type setNode struct {
	names  []string
	attr   string
	value  expr
	filter expr
	body   []node
	block  bool
	line   int
}

func (n setNode) run(m *machine) (jump, error) {
	v, err := n.assigned(m)
	if err != nil {
		return onward, at(n.line, err)
	}
	if n.attr == "" {
		return onward, at(n.line, m.bind(n.names, v))
	}
	ns, ok := m.lookup(n.names[0]).(*namespace)
	if !ok {
		return onward, at(n.line, fmt.Errorf("%s is no namespace: its attributes cannot be set", n.names[0]))
	}
	ns.at[n.attr] = v
	return onward, nil
}

func (n setNode) assigned(m *machine) (any, error) {
	if !n.block {
		return n.value.eval(m)
	}
	restore := m.push(m.frame)
	s, err := m.capture(n.body)
	restore()
	if err != nil || n.filter == nil {
		return s, err
	}
	return m.filtered(n.filter, s)
}

// filtered gives filters on a text that is not part of an expression.
func (m *machine) filtered(x expr, s string) (any, error) {
	defer m.push(m.frame)()
	m.set(stacked, s)
	return x.eval(m)
}

// stacked names the text that {% filter %} works on; no template can spell it.
const stacked = "|"

type stackValue struct{}

func (stackValue) eval(m *machine) (any, error) { return m.lookup(stacked), nil }

type filterNode struct {
	x    expr
	body []node
	line int
}

func (n filterNode) run(m *machine) (jump, error) {
	restore := m.push(m.frame)
	s, err := m.capture(n.body)
	restore()
	if err != nil {
		return onward, err
	}
	v, err := m.filtered(n.x, s)
	if err == nil {
		if s, err = m.text(v); err == nil {
			err = m.write(s)
		}
	}
	return onward, at(n.line, err)
}

// generationNode is transformers' {% generation %}: what the assistant says.
type generationNode struct {
	body []node
	line int
}

func (n generationNode) run(m *machine) (jump, error) {
	if m.sub != nil || m.inGen {
		return onward, at(n.line, fmt.Errorf("generation within a macro, a set block or another generation: its place in the prompt is not known"))
	}
	m.inGen = true
	start := m.out.Len()
	j, err := m.run(n.body)
	m.inGen = false
	if end := m.out.Len(); end > start {
		m.spans = append(m.spans, Span{start, end})
	}
	return j, err
}

type param struct {
	name  string
	value expr // nil: undefined if left out
}

type macroNode struct {
	name   string
	params []param
	body   []node
	line   int
}

func (n macroNode) run(m *machine) (jump, error) {
	m.set(n.name, n.function(m.frame))
	return onward, nil
}

// function makes the macro callable. It sees the variables of where it stands.
func (n macroNode) function(home *frame) function {
	return function{n.name, func(m *machine, args []any, named map[string]any) (any, error) {
		if m.depth++; m.depth > maxDepth {
			return nil, fmt.Errorf("macros call each other deeper than %d", maxDepth)
		}
		defer func() { m.depth-- }()
		if len(args) > len(n.params) {
			return nil, fmt.Errorf("%s takes %d arguments, got %d", n.name, len(n.params), len(args))
		}
		defer m.push(home)()
		given := 0
		if c, ok := named["caller"]; ok {
			m.set("caller", c)
			given++
		}
		for i, q := range n.params {
			v, ok := named[q.name]
			switch {
			case i < len(args):
				if ok {
					return nil, fmt.Errorf("%s gets %s twice", n.name, q.name)
				}
				v = args[i]
			case ok:
				given++
			case q.value != nil:
				var err error
				if v, err = q.value.eval(m); err != nil {
					return nil, err
				}
			default:
				v = undefined{fmt.Sprintf("parameter %q was not provided", q.name)}
			}
			m.set(q.name, v)
		}
		if given < len(named) {
			return nil, fmt.Errorf("%s got an argument of a name that it does not take", n.name)
		}
		return m.capture(n.body)
	}}
}

type callNode struct {
	call   callExpr
	caller macroNode
	line   int
}

func (n callNode) run(m *machine) (jump, error) {
	v, err := n.call.with(m, map[string]any{"caller": n.caller.function(m.frame)})
	if err == nil {
		var s string
		if s, err = m.text(v); err == nil {
			err = m.write(s)
		}
	}
	return onward, at(n.line, err)
}
