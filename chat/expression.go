package chat

import (
	"fmt"
	"slices"
	"strconv"
)

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
	return filterExpr{applied{x, name, a, line}, f}, nil
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
	return testExpr{applied{x, name, a, line}, f, not}, nil
}
