package generate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// SchemaOptions bound what a schema allows.
type SchemaOptions struct {
	// MaxDepth is how many references, and levels of values of which the schema says nothing, may stand in each other.
	// Default (0): 12.
	MaxDepth int `yaml:"max_depth,omitempty" json:"max_depth,omitempty"`
	// Compact allows no white space between JSON's signs. Default: a space, or a line break with up to 16 blanks.
	Compact bool `yaml:"compact,omitempty" json:"compact,omitempty"`
}

// JSONSchema makes a constraint of a JSON schema: every member is a document that the schema allows. Understood are
//
//   - type (one or a list), enum, const, anyOf, oneOf whose alternatives exclude each other, allOf of one, $ref within
//     the document, $defs, true and {} (any value), title, description and other annotations;
//   - objects: properties, required, additionalProperties (here false by default where there are properties),
//     minProperties and maxProperties where there are none. Members come in the schema's order, those not declared last;
//   - arrays: items, minItems, maxItems;
//   - strings: minLength, maxLength, pattern (Go's syntax), format date, time, date-time, uuid, ipv4 or email; one of these
//     three ways at a time;
//   - numbers of up to 15 digits before and after the point: minimum, maximum and their exclusive forms, as whole numbers.
//
// Anything else is refused by name and place, all of it at once, and never ignored. Not every document that the schema
// allows can be generated; every one that is generated is allowed.
func JSONSchema(v *Vocabulary, schema []byte, o SchemaOptions) (*Constraint, error) {
	root, err := compileSchema(schema, o)
	if err != nil {
		return nil, err
	}
	return newConstraint(v, root, o.maxDepth())
}

func (o SchemaOptions) maxDepth() int {
	if o.MaxDepth > 0 {
		return min(o.MaxDepth, 1000)
	}
	return 12
}

// maxSchema bounds the length of a schema in bytes, maxSchemaErrors the problems that are reported,
// maxExclusive the alternatives of which each two must be told apart.
const (
	maxSchema       = 1 << 20
	maxSchemaErrors = 20
	maxExclusive    = 200
)

func compileSchema(schema []byte, o SchemaOptions) (*expr, error) {
	doc, err := parseJSON(schema)
	if err != nil {
		return nil, fmt.Errorf("generate: schema: %w", err)
	}
	c := schemaCompiler{doc: doc, jsonText: newJSONText(o.Compact), maxDepth: o.maxDepth(), refs: map[string]*expr{}}
	root := c.compile(doc, "")
	if len(c.errs) == 0 { // else what is wrong already is no use comparing
		c.checkExclusive()
	}
	return root, errors.Join(c.errs...)
}

// schemaCompiler turns a schema into an expression.
type schemaCompiler struct {
	*jsonText
	doc      *jsonValue
	maxDepth int
	refs     map[string]*expr // by $ref; made before what they refer to
	exclude  []exclusive
	errs     []error
}

func (c *schemaCompiler) bad(at, format string, args ...any) *expr {
	if len(c.errs) < maxSchemaErrors {
		if at == "" {
			at = "/"
		}
		c.errs = append(c.errs, fmt.Errorf("generate: schema at %.200s: %w", at, fmt.Errorf(format, args...)))
	}
	return empty
}

// annotations say nothing about what is valid.
var annotations = []string{
	"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "example", "deprecated", "readOnly",
	"writeOnly", "discriminator", "$anchor", "contentEncoding", "contentMediaType",
}

// keywords are what each type understands.
var keywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties", "minProperties", "maxProperties"},
	"array":   {"items", "minItems", "maxItems"},
	"string":  {"minLength", "maxLength", "pattern", "format"},
	"number":  {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"boolean": nil,
	"null":    nil,
}

// typeNames in the order in which a missing type is guessed.
var typeNames = []string{"object", "array", "string", "number", "integer", "boolean", "null"}

func (c *schemaCompiler) compile(v *jsonValue, at string) *expr {
	switch {
	case v.kind == 't':
		return c.any
	case v.kind != '{':
		return c.bad(at, "want an object or true, not %s", v)
	}
	for _, combine := range []struct {
		key  string
		with []string // keywords that may stand beside it
		do   func(v *jsonValue, at string) *expr
	}{
		{"$ref", nil, c.reference}, {"const", []string{"type"}, c.constant}, {"enum", []string{"type"}, c.enum},
		{"anyOf", nil, c.anyOf}, {"oneOf", nil, c.oneOf}, {"allOf", nil, c.allOf},
	} {
		if v.get(combine.key) != nil {
			c.allowOnly(v, at, append([]string{combine.key}, combine.with...))
			return combine.do(v, at)
		}
	}
	types := c.types(v, at)
	if len(types) == 0 {
		c.allowOnly(v, at, nil)
		return c.any
	}
	allowed := []string{"type"}
	var alts []*expr
	for _, name := range types {
		allowed = append(allowed, keywords[name]...)
		switch name {
		case "object":
			alts = append(alts, c.object(v, at))
		case "array":
			alts = append(alts, c.array(v, at))
		case "string":
			alts = append(alts, c.stringType(v, at))
		case "number", "integer":
			alts = append(alts, c.number(v, at, name == "integer"))
		case "boolean":
			alts = append(alts, alt(text("true"), text("false")))
		case "null":
			alts = append(alts, text("null"))
		}
	}
	c.allowOnly(v, at, allowed)
	return alt(alts...)
}

// allowOnly reports the keys that are neither allowed nor annotations.
func (c *schemaCompiler) allowOnly(v *jsonValue, at string, allowed []string) {
	for _, k := range v.keys {
		if !slices.Contains(allowed, k) && !slices.Contains(annotations, k) {
			if len(allowed) == 0 {
				c.bad(at, "%.100q is not supported", k)
			} else {
				c.bad(at, "%.100q is not supported beside %q", k, allowed[0])
			}
		}
	}
}

// types are the names under "type", or the one that the other keywords are about; none means any value.
func (c *schemaCompiler) types(v *jsonValue, at string) []string {
	list := []*jsonValue{}
	switch t := v.get("type"); {
	case t == nil:
		for _, name := range typeNames {
			if slices.ContainsFunc(keywords[name], func(k string) bool { return v.get(k) != nil }) {
				return []string{name}
			}
		}
		return nil
	case t.kind == '[':
		list = t.list
	default:
		list = append(list, t)
	}
	var names []string
	for _, t := range list {
		if _, known := keywords[t.text]; t.kind != '"' || !known || slices.Contains(names, t.text) {
			c.bad(at, "type %s: want one of %s, each once", t, strings.Join(typeNames, ", "))
			continue
		}
		names = append(names, t.text)
	}
	if len(names) == 0 && len(c.errs) == 0 {
		c.bad(at, "type is empty")
	}
	if slices.Contains(names, "number") { // an integer is one
		names = slices.DeleteFunc(names, func(s string) bool { return s == "integer" })
	}
	return names
}

func (c *schemaCompiler) reference(v *jsonValue, at string) *expr {
	r := v.get("$ref")
	if r.kind != '"' || r.text != "#" && !strings.HasPrefix(r.text, "#/") {
		return c.bad(at, "$ref is %s, want # or #/…: only this document is read", r)
	}
	if e, ok := c.refs[r.text]; ok {
		return e
	}
	target := c.target(r.text)
	if target == nil {
		return c.bad(at, "$ref %.100q leads nowhere", r.text)
	}
	e := ref(nil)
	c.refs[r.text] = e
	e.subs[0] = c.compile(target, r.text[1:])
	return e
}

// target is what a reference within the document refers to; nil if nothing.
func (c *schemaCompiler) target(ref string) *jsonValue {
	v := c.doc
	for _, part := range strings.Split(ref, "/")[1:] {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if v = v.get(part); v == nil {
			return nil
		}
	}
	return v
}

func (c *schemaCompiler) constant(v *jsonValue, at string) *expr {
	return c.values([]*jsonValue{v.get("const")}, v, at)
}

func (c *schemaCompiler) enum(v *jsonValue, at string) *expr {
	list := v.get("enum")
	if list.kind != '[' || len(list.list) == 0 {
		return c.bad(at, "enum: want a list of values")
	}
	return c.values(list.list, v, at)
}

// values are the given values, of the types under "type" if there are any.
func (c *schemaCompiler) values(list []*jsonValue, v *jsonValue, at string) *expr {
	types := c.types(v, at)
	var texts []string
	for _, x := range list {
		if len(types) > 0 && !slices.ContainsFunc(types, x.is) {
			c.bad(at, "value %s is of no type of %v", x, types)
		}
		texts = append(texts, x.String())
	}
	slices.Sort(texts)
	return anyText(slices.Compact(texts))
}

func (c *schemaCompiler) list(v *jsonValue, at, key string) []*expr {
	list := v.get(key)
	if list.kind != '[' || len(list.list) == 0 {
		c.bad(at, "%s: want a list of schemas", key)
		return nil
	}
	var out []*expr
	for i, x := range list.list {
		out = append(out, c.compile(x, fmt.Sprintf("%s/%s/%d", at, key, i)))
	}
	return out
}

func (c *schemaCompiler) anyOf(v *jsonValue, at string) *expr { return alt(c.list(v, at, "anyOf")...) }

func (c *schemaCompiler) allOf(v *jsonValue, at string) *expr {
	l := c.list(v, at, "allOf")
	if len(l) > 1 {
		return c.bad(at, "allOf of %d schemas is not supported: write them as one", len(l))
	}
	return seq(l...)
}

func (c *schemaCompiler) oneOf(v *jsonValue, at string) *expr {
	l := c.list(v, at, "oneOf")
	if len(l) > maxExclusive {
		return c.bad(at, "oneOf of %d alternatives, the limit is %d", len(l), maxExclusive)
	}
	c.exclude = append(c.exclude, exclusive{at, v.get("oneOf").list})
	return alt(l...)
}

// bound reads a count; missing or wrong gives def.
func (c *schemaCompiler) bound(v *jsonValue, at, key string, def int) int {
	x := v.get(key)
	if x == nil {
		return def
	}
	var n float64
	if x.kind != '0' || json.Unmarshal([]byte(x.text), &n) != nil || n < 0 || n != math.Trunc(n) || n > 1<<30 {
		c.bad(at, "%s is %s, want a whole number, 0 or more", key, x)
		return def
	}
	return int(n)
}

// range reads two counts of which the second may be missing (-1).
func (c *schemaCompiler) span(v *jsonValue, at, least, most string) (int, int) {
	lo, hi := c.bound(v, at, least, 0), c.bound(v, at, most, -1)
	if hi >= 0 && lo > hi {
		c.bad(at, "%s is %d, more than %s %d", least, lo, most, hi)
	}
	return lo, hi
}
