package chat

import (
	"fmt"
	"slices"
	"strconv"
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

// tuple reads an expression, or several as a list.
func (p *parser) tuple() (expr, error) { return p.tupleOf(p.expr) }

func (p *parser) plainTuple() (expr, error) { return p.tupleOf(p.or) }

func (p *parser) tupleOf(one func() (expr, error)) (expr, error) {
	x, err := one()
	if err != nil || !p.is(tokOp, ",") {
		return x, err
	}
	l := listExpr{[]expr{x}}
	for p.take(tokOp, ",") {
		switch t := p.peek(); {
		case t.kind == tokEnd, t.kind == tokClose, t.kind == tokOp && t.text == ")":
			return l, nil
		}
		if x, err = one(); err != nil {
			return nil, err
		}
		l.items = append(l.items, x)
	}
	return l, nil
}

// expr is a if b else c.
func (p *parser) expr() (expr, error) {
	if err := p.down(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	x, err := p.or()
	for err == nil && p.take(tokName, "if") {
		c := condExpr{yes: x}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.take(tokName, "else") {
			if c.no, err = p.expr(); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, err
}

func (p *parser) or() (expr, error) {
	x, err := p.and()
	for err == nil && p.take(tokName, "or") {
		var y expr
		y, err = p.and()
		x = logicExpr{x, y, true}
	}
	return x, err
}

func (p *parser) and() (expr, error) {
	x, err := p.not()
	for err == nil && p.take(tokName, "and") {
		var y expr
		y, err = p.not()
		x = logicExpr{x, y, false}
	}
	return x, err
}

func (p *parser) not() (expr, error) {
	if p.take(tokName, "not") {
		if err := p.down(); err != nil {
			return nil, err
		}
		x, err := p.not()
		p.depth--
		return notExpr{x}, err
	}
	return p.compare()
}

func (p *parser) compare() (expr, error) {
	x, err := p.math(0)
	if err != nil {
		return nil, err
	}
	c := compareExpr{first: x}
	for {
		op := ""
		switch t := p.peek(); {
		case t.kind == tokOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			op = p.next().text
		case p.take(tokName, "in"):
			op = "in"
		case p.is(tokName, "not") && p.tokens[p.at+1].kind == tokName && p.tokens[p.at+1].text == "in":
			p.at += 2
			op = "not in"
		}
		if op == "" {
			break
		}
		y, err := p.math(0)
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, y)
	}
	if len(c.ops) == 0 {
		return x, nil
	}
	return c, nil
}

// levels are the binary operators, weakest first.
var levels = [][]string{{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}}

func (p *parser) math(level int) (expr, error) {
	if level == len(levels) {
		return p.unary(true)
	}
	x, err := p.math(level + 1)
	for n := 0; err == nil && p.peek().kind == tokOp && slices.Contains(levels[level], p.peek().text); n++ {
		if n > 1000 {
			return nil, p.errorf("more than 1000 operands")
		}
		t := p.next()
		var y expr
		y, err = p.math(level + 1)
		x = binaryExpr{t.text, x, y, t.line}
	}
	return x, err
}

func (p *parser) unary(filters bool) (x expr, err error) {
	if err := p.down(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	switch t := p.peek(); {
	case p.take(tokOp, "-"), p.take(tokOp, "+"):
		if x, err = p.unary(false); err == nil {
			x = signExpr{x, t.text == "-", t.line}
		}
	default:
		x, err = p.primary()
	}
	if err == nil {
		x, err = p.postfix(x)
	}
	if err == nil && filters {
		x, err = p.filtersAndTests(x)
	}
	return x, err
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return constExpr{true}, nil
		case "false", "False":
			return constExpr{false}, nil
		case "none", "None":
			return constExpr{nil}, nil
		case "if", "else", "elif", "in", "is", "and", "or", "not", "for":
			p.at--
			return nil, p.errorf("%q where a value should be", t.text)
		}
		return nameExpr{t.text, t.line}, nil
	case tokString:
		s := t.text
		for p.peek().kind == tokString {
			s += p.next().text
			if len(s) > maxOutput {
				return nil, p.errorf("text is too long")
			}
		}
		return constExpr{s}, nil
	case tokInt:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			return nil, &Error{Line: t.line, Message: fmt.Sprintf("%.40s is too large", t.text)}
		}
		return constExpr{n}, nil
	case tokFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			return nil, &Error{Line: t.line, Message: fmt.Sprintf("%.40s is too large", t.text)}
		}
		return constExpr{f}, nil
	case tokOp:
		switch t.text {
		case "(":
			if p.take(tokOp, ")") {
				return listExpr{}, nil
			}
			x, err := p.tuple()
			if err != nil {
				return nil, err
			}
			return x, p.expect(tokOp, ")")
		case "[":
			return p.listLiteral()
		case "{":
			return p.dictLiteral()
		}
	}
	p.at--
	if t.kind == tokEOF {
		p.at = len(p.tokens) - 1
	}
	return nil, p.errorf("%s where a value should be", t)
}

func (p *parser) listLiteral() (expr, error) {
	var l listExpr
	for !p.take(tokOp, "]") {
		if len(l.items) > 0 {
			if err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
			if p.take(tokOp, "]") {
				break
			}
		}
		x, err := p.expr()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, x)
	}
	return l, nil
}

func (p *parser) dictLiteral() (expr, error) {
	d := dictExpr{line: p.peek().line}
	for !p.take(tokOp, "}") {
		if len(d.keys) > 0 {
			if err := p.expect(tokOp, ","); err != nil {
				return nil, err
			}
			if p.take(tokOp, "}") {
				break
			}
		}
		k, err := p.expr()
		if err == nil {
			err = p.expect(tokOp, ":")
		}
		if err != nil {
			return nil, err
		}
		v, err := p.expr()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, k), append(d.values, v)
	}
	return d, nil
}

// postfix reads .name, [index] and (arguments).
func (p *parser) postfix(x expr) (expr, error) {
	for n := 0; ; n++ {
		if n > 1000 {
			return nil, p.errorf("more than 1000 attributes and calls in a row")
		}
		t := p.peek()
		var err error
		switch {
		case p.take(tokOp, "."):
			a := p.next()
			switch a.kind {
			case tokName:
				x = attrExpr{x, constExpr{a.text}, true, t.line}
			case tokInt:
				i, err := strconv.ParseInt(a.text, 10, 64)
				if err != nil {
					return nil, p.errorf("%.40s is too large", a.text)
				}
				x = attrExpr{x, constExpr{i}, false, t.line}
			default:
				p.at--
				return nil, p.errorf("%s where a name should be", a)
			}
		case p.take(tokOp, "["):
			x, err = p.index(x, t.line)
		case p.take(tokOp, "("):
			var a arguments
			if a, err = p.arguments(); err == nil {
				x = callExpr{x, a, t.line}
			}
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// index reads what stands in brackets: a key, or a slice.
func (p *parser) index(x expr, line int) (expr, error) {
	var parts [3]expr
	n := 0
	slice := false
	for {
		switch {
		case p.take(tokOp, "]"):
			if slice {
				return sliceExpr{x, parts, line}, nil
			}
			if parts[0] == nil {
				return nil, p.errorf("nothing between the brackets")
			}
			return attrExpr{x, parts[0], false, line}, nil
		case p.take(tokOp, ":"):
			slice = true
			if n++; n > 2 {
				return nil, p.errorf("a slice has three parts at most")
			}
		default:
			if parts[n] != nil {
				return nil, p.errorf("%s where \"]\" should be", p.peek())
			}
			var err error
			if parts[n], err = p.expr(); err != nil {
				return nil, err
			}
		}
	}
}

func (p *parser) arguments() (a arguments, err error) {
	for n := 0; !p.take(tokOp, ")"); n++ {
		if n > 0 {
			if err := p.expect(tokOp, ","); err != nil {
				return a, err
			}
			if p.take(tokOp, ")") {
				break
			}
		}
		if p.is(tokOp, "*") || p.is(tokOp, "**") {
			return a, p.errorf("unpacking of arguments is not supported")
		}
		if next := p.tokens[min(p.at+1, len(p.tokens)-1)]; p.peek().kind == tokName && next.kind == tokOp && next.text == "=" {
			name := p.next().text
			p.at++
			x, err := p.expr()
			if err != nil {
				return a, err
			}
			a.names, a.named = append(a.names, name), append(a.named, x)
			continue
		}
		x, err := p.expr()
		if err != nil {
			return a, err
		}
		if len(a.names) > 0 {
			return a, p.errorf("an argument without name follows one with")
		}
		a.plain = append(a.plain, x)
	}
	return a, nil
}

// filtersAndTests reads |filter and is test, in any number.
func (p *parser) filtersAndTests(x expr) (expr, error) {
	for n := 0; ; n++ {
		if n > 1000 {
			return nil, p.errorf("more than 1000 filters in a row")
		}
		var err error
		switch t := p.peek(); {
		case p.is(tokOp, "|"):
			x, err = p.filter(x)
		case p.take(tokName, "is"):
			x, err = p.test(x, t.line)
		case p.take(tokOp, "("): // a filter's result may be called
			var a arguments
			if a, err = p.arguments(); err == nil {
				x = callExpr{x, a, t.line}
			}
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// filters reads name|name… for {% filter %} and {% set x | … %}.
func (p *parser) filters(x expr) (expr, error) {
	if !p.is(tokOp, "|") {
		p.tokens = slices.Insert(slices.Clone(p.tokens), p.at, token{tokOp, "|", p.peek().line})
	}
	return p.filtersAndTests(x)
}

func (p *parser) filter(x expr) (expr, error) {
	p.at++ // |
	line := p.peek().line
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	f, ok := filterTable[name]
	if !ok {
		return nil, p.errorf("filter %.40q is not supported", name)
	}
	var a arguments
	if p.take(tokOp, "(") {
		if a, err = p.arguments(); err != nil {
			return nil, err
		}
	}
	return filterExpr{x, name, f, a, line}, nil
}

func (p *parser) test(x expr, line int) (expr, error) {
	not := p.take(tokName, "not")
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	f, ok := testTable[name]
	if !ok {
		return nil, p.errorf("test %.40q is not supported", name)
	}
	var a arguments
	switch t := p.peek(); {
	case p.take(tokOp, "("):
		if a, err = p.arguments(); err != nil {
			return nil, err
		}
	case t.kind == tokString, t.kind == tokInt, t.kind == tokFloat, t.kind == tokOp && (t.text == "[" || t.text == "{"),
		t.kind == tokName && !slices.Contains([]string{"else", "or", "and", "is", "if", "in", "not", "recursive"}, t.text):
		y, err := p.primary()
		if err == nil {
			y, err = p.postfix(y)
		}
		if err != nil {
			return nil, err
		}
		a.plain = []expr{y}
	}
	return testExpr{x, name, f, a, not, line}, nil
}
