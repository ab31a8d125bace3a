package generate

import (
	"slices"
	"strconv"
	"strings"
)

// exclusive are the alternatives of a oneOf: a document must fit exactly one. What is generated is less than what a
// schema allows (the order of members is fixed, numbers are bounded), so it is not enough that no text comes from two
// alternatives: what comes from one must not be allowed by another. That is proved on the schemas themselves, and where
// the proof fails the schema is refused.
type exclusive struct {
	at   string
	alts []*jsonValue
}

func (c *schemaCompiler) checkExclusive() {
	p := proof{c: c, steps: 1 << 20}
	for _, x := range c.exclude {
		for i := range x.alts {
			for k := range i {
				if !p.disjoint(x.alts[k], x.alts[i], 0) {
					c.bad(x.at, "oneOf: alternatives %d and %d may fit the same document; give each a required member with a const of its own, or use anyOf", k, i)
				}
			}
		}
	}
}

// proof is a search that gives up after some steps, all of a schema together.
type proof struct {
	c     *schemaCompiler
	steps int
}

// disjoint tells that no document generated from one of the schemas is allowed by the other; false if that is not
// certain.
func (p *proof) disjoint(a, b *jsonValue, depth int) bool {
	if p.steps--; p.steps < 0 || depth > maxNesting {
		return false
	}
	a, b = p.c.resolve(a), p.c.resolve(b)
	switch {
	case a == nil || b == nil || a.kind == 't' || b.kind == 't':
		return false
	case a.kind == 'f' || b.kind == 'f':
		return true
	}
	for _, pair := range [][2]*jsonValue{{a, b}, {b, a}} {
		for _, key := range []string{"anyOf", "oneOf"} {
			if list := pair[0].get(key); list != nil {
				return !slices.ContainsFunc(list.list, func(x *jsonValue) bool { return !p.disjoint(x, pair[1], depth+1) })
			}
		}
	}
	if x, y := a.finite(), b.finite(); x != nil && y != nil {
		return !slices.ContainsFunc(x, func(v *jsonValue) bool { return slices.ContainsFunc(y, v.equals) })
	}
	for _, name := range typeNames {
		if name == "integer" || !a.mayBe(name) || !b.mayBe(name) {
			continue // an integer may be a number
		}
		if a.finite() != nil || b.finite() != nil {
			return false
		}
		switch {
		case name == "object" && p.objects(a, b, depth):
		case name == "number" && p.c.apart(a, b):
		default:
			return false
		}
	}
	return true
}

// resolve follows references and allOf of one; nil if they lead nowhere.
func (c *schemaCompiler) resolve(v *jsonValue) *jsonValue {
	for range maxNesting {
		r, all := v.get("$ref"), v.get("allOf")
		switch {
		case r != nil:
			if v = c.target(r.text); v == nil {
				return nil
			}
		case all != nil && len(all.list) == 1:
			v = all.list[0]
		default:
			return v
		}
	}
	return nil
}

// finite are the values that a const or enum lists; nil without one.
func (v *jsonValue) finite() []*jsonValue {
	if x := v.get("const"); x != nil {
		return []*jsonValue{x}
	}
	if x := v.get("enum"); x != nil {
		return x.list
	}
	return nil
}

// mayBe tells whether a schema allows a value of the type; "number" stands for integers too.
func (v *jsonValue) mayBe(name string) bool {
	if values := v.finite(); values != nil {
		return slices.ContainsFunc(values, func(x *jsonValue) bool { return x.is(name) })
	}
	t := v.get("type")
	if t == nil {
		return true
	}
	is := func(t *jsonValue) bool { return t.text == name || name == "number" && t.text == "integer" }
	return is(t) || slices.ContainsFunc(t.list, is)
}

// equals compares as JSON schema does: numbers by value, objects without order.
func (v *jsonValue) equals(w *jsonValue) bool {
	if v.kind != w.kind || len(v.list) != len(w.list) || len(v.keys) != len(w.keys) {
		return false
	}
	if v.kind == '0' {
		x, _ := strconv.ParseFloat(v.text, 64)
		y, _ := strconv.ParseFloat(w.text, 64)
		return x == y
	}
	for i := range v.list {
		if !v.list[i].equals(w.list[i]) {
			return false
		}
	}
	for k, x := range v.members {
		if y := w.members[k]; y == nil || !x.equals(y) {
			return false
		}
	}
	return v.text == w.text
}

// objects: a member that one of them requires is different in both, or each misses a member that the other requires.
func (p *proof) objects(a, b *jsonValue, depth int) bool {
	names := slices.Concat(a.required(), b.required())
	p.steps -= len(names)
	for _, name := range names {
		x, y := a.property(name), b.property(name)
		if x != nil && y != nil && p.disjoint(x, y, depth+1) {
			return true
		}
	}
	return a.misses(b) && b.misses(a)
}

// misses tells that what is generated from v is not allowed by w: it has not what w requires, or has what w excludes.
func (v *jsonValue) misses(w *jsonValue) bool {
	additional := v.get("additionalProperties")
	closed := v.get("properties") != nil && additional == nil || additional != nil && additional.kind == 'f'
	without := func(name string) bool { return closed && v.property(name) == nil }
	shut := w.get("additionalProperties")
	excluded := func(name string) bool { return shut != nil && shut.kind == 'f' && w.property(name) == nil }
	return slices.ContainsFunc(w.required(), without) || slices.ContainsFunc(v.required(), excluded)
}

func (v *jsonValue) property(name string) *jsonValue {
	if p := v.get("properties"); p != nil {
		return p.get(name)
	}
	return nil
}

func (v *jsonValue) required() []string {
	var names []string
	if r := v.get("required"); r != nil {
		for _, x := range r.list {
			names = append(names, x.text)
		}
	}
	return names
}

// apart tells that the ranges of two number schemas do not meet.
func (c *schemaCompiler) apart(a, b *jsonValue) bool {
	limited := func(v *jsonValue, names string) bool {
		return slices.ContainsFunc(strings.Fields(names), func(k string) bool { return v.get(k) != nil })
	}
	below := func(a, b *jsonValue) bool {
		if !limited(a, "maximum exclusiveMaximum") || !limited(b, "minimum exclusiveMinimum") {
			return false
		}
		hi, hiOpen := c.limit(a, "", "maximum", "exclusiveMaximum", +1)
		lo, loOpen := c.limit(b, "", "minimum", "exclusiveMinimum", -1)
		return hi < lo || hi == lo && (hiOpen || loOpen)
	}
	return below(a, b) || below(b, a)
}
