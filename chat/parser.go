package chat

import (
	"fmt"
	"slices"
)

// maxDepth bounds how deep statements, expressions and values nest, and macros call.
const maxDepth = 100

// parser makes a tree of tokens, by the grammar of jinja2/parser.py.
type parser struct {
	tokens []token
	at     int
	depth  int
	loops  int // how many for blocks are open
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

func (p *parser) errorf(format string, args ...any) error {
	return &Error{Line: p.peek().line, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) is(k kind, text string) bool {
	t := p.peek()
	return t.kind == k && t.text == text
}

// take goes over a token if it is there.
func (p *parser) take(k kind, text string) bool {
	if p.is(k, text) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(k kind, text string) error {
	if !p.take(k, text) {
		return p.errorf("%s where %q should be", p.peek(), text)
	}
	return nil
}

func (p *parser) name() (string, error) {
	if t := p.peek(); t.kind != tokName {
		return "", p.errorf("%s where a name should be", t)
	}
	return p.next().text, nil
}

func (p *parser) end() error {
	if t := p.peek(); t.kind != tokEnd {
		return p.errorf("%s where %%} should be", t)
	}
	p.at++
	return nil
}

// down counts nesting; call the result when done.
func (p *parser) down() error {
	if p.depth++; p.depth > maxDepth {
		return p.errorf("nested deeper than %d", maxDepth)
	}
	return nil
}

// body reads statements up to one of the given end tags, whose name it returns with the tag's
// begin and name read.
func (p *parser) body(ends ...string) (nodes []node, end string, err error) {
	if err := p.down(); err != nil {
		return nil, "", err
	}
	defer func() { p.depth-- }()
	for {
		t := p.next()
		switch t.kind {
		case tokEOF:
			if len(ends) > 0 {
				return nil, "", p.errorf("the template ends where %q should be", ends[len(ends)-1])
			}
			return nodes, "", nil
		case tokData:
			nodes = append(nodes, dataNode{t.text})
		case tokOpen:
			x, err := p.tuple()
			if err != nil {
				return nil, "", err
			}
			if p.peek().kind != tokClose {
				return nil, "", p.errorf("%s where }} should be", p.peek())
			}
			p.at++
			nodes = append(nodes, outputNode{x, t.line})
		case tokBegin:
			line := p.peek().line
			name, err := p.name()
			if err != nil {
				return nil, "", err
			}
			if slices.Contains(ends, name) {
				return nodes, name, nil
			}
			n, err := p.statement(name, line)
			if err != nil {
				return nil, "", err
			}
			nodes = append(nodes, n)
		}
	}
}

// block is body up to one end tag, over which it goes.
func (p *parser) block(end string) ([]node, error) {
	nodes, _, err := p.body(end)
	if err != nil {
		return nil, err
	}
	return nodes, p.end()
}

func (p *parser) statement(name string, line int) (node, error) {
	switch name {
	case "for":
		return p.forLoop(line)
	case "if":
		return p.ifElse(line)
	case "set":
		return p.set(line)
	case "macro":
		return p.macro(line)
	case "generation":
		if err := p.end(); err != nil {
			return nil, err
		}
		body, err := p.block("endgeneration")
		return generationNode{body, line}, err
	case "filter":
		f, err := p.filters(stackValue{})
		if err == nil {
			err = p.end()
		}
		if err != nil {
			return nil, err
		}
		body, err := p.block("endfilter")
		return filterNode{f, body, line}, err
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.errorf("%s outside of a loop", name)
		}
		return jumpNode{name == "break"}, p.end()
	case "call":
		return p.call(line)
	case "endfor", "endif", "endset", "endmacro", "else", "elif", "endgeneration", "endfilter", "endcall":
		return nil, &Error{Line: line, Message: name + " without its begin"}
	}
	return nil, &Error{Line: line, Message: fmt.Sprintf("tag %.40q is not supported", name)}
}

// targets reads the names that a loop or an assignment binds: a, or a, b.
func (p *parser) targets() ([]string, error) {
	bracket := p.take(tokOp, "(")
	var names []string
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if !p.take(tokOp, ",") {
			break
		}
	}
	if bracket {
		return names, p.expect(tokOp, ")")
	}
	return names, nil
}

func (p *parser) forLoop(line int) (node, error) {
	n := forNode{line: line}
	var err error
	if n.names, err = p.targets(); err != nil {
		return nil, err
	}
	if err := p.expect(tokName, "in"); err != nil {
		return nil, err
	}
	// No conditional here: "if" is the loop's filter.
	if n.over, err = p.plainTuple(); err != nil {
		return nil, err
	}
	if p.take(tokName, "if") {
		if n.filter, err = p.expr(); err != nil {
			return nil, err
		}
	}
	if p.is(tokName, "recursive") {
		return nil, p.errorf("recursive loops are not supported")
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	p.loops++
	body, end, err := p.body("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	n.body = body
	if err := p.end(); err != nil {
		return nil, err
	}
	if end == "else" {
		n.otherwise, err = p.block("endfor")
	}
	return n, err
}

func (p *parser) ifElse(line int) (node, error) {
	var n ifNode
	for {
		cond, err := p.expr()
		if err != nil {
			return nil, err
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		body, end, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		n.arms = append(n.arms, ifArm{cond, body, line})
		if end == "elif" {
			line = p.peek().line
			continue
		}
		if err := p.end(); err != nil {
			return nil, err
		}
		if end == "else" {
			n.otherwise, err = p.block("endif")
		}
		return n, err
	}
}

func (p *parser) set(line int) (node, error) {
	n := setNode{line: line}
	var err error
	if n.names, err = p.targets(); err != nil {
		return nil, err
	}
	if len(n.names) == 1 && p.take(tokOp, ".") {
		if n.attr, err = p.name(); err != nil {
			return nil, err
		}
	}
	if p.take(tokOp, "=") {
		if n.value, err = p.tuple(); err != nil {
			return nil, err
		}
		return n, p.end()
	}
	if len(n.names) != 1 {
		return nil, p.errorf("%s where %q should be", p.peek(), "=")
	}
	if p.is(tokOp, "|") {
		if n.filter, err = p.filters(stackValue{}); err != nil {
			return nil, err
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	n.body, err = p.block("endset")
	n.block = true
	return n, err
}

// signature reads the parameters of a macro.
func (p *parser) signature() (params []param, err error) {
	if err := p.expect(tokOp, "("); err != nil {
		return nil, err
	}
	for !p.take(tokOp, ")") {
		if len(params) > 0 {
			if err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
			if p.take(tokOp, ")") {
				break
			}
		}
		q := param{}
		if q.name, err = p.name(); err != nil {
			return nil, err
		}
		if p.take(tokOp, "=") {
			if q.value, err = p.expr(); err != nil {
				return nil, err
			}
		}
		params = append(params, q)
	}
	return params, nil
}

func (p *parser) macro(line int) (node, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	params, err := p.signature()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return nil, err
	}
	outer := p.loops
	p.loops = 0
	body, err := p.block("endmacro")
	p.loops = outer
	return macroNode{name, params, body, line}, err
}

// call reads {% call m() %}…{% endcall %}, whose body the macro gets as caller().
func (p *parser) call(line int) (node, error) {
	var params []param
	var err error
	if p.is(tokOp, "(") {
		if params, err = p.signature(); err != nil {
			return nil, err
		}
	}
	x, err := p.unary(true)
	if err != nil {
		return nil, err
	}
	c, ok := x.(callExpr)
	if !ok {
		return nil, p.errorf("call needs a macro to call")
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	outer := p.loops
	p.loops = 0
	body, err := p.block("endcall")
	p.loops = outer
	return callNode{c, macroNode{"caller", params, body, line}, line}, err
}
