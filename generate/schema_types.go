package generate

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// object is { members }: those declared in their order, then others.
func (c *schemaCompiler) object(v *jsonValue, at string) *expr {
	properties, additional := v.get("properties"), v.get("additionalProperties")
	required := map[string]bool{}
	if r := v.get("required"); r != nil {
		if r.kind != '[' {
			c.bad(at, "required: want a list of names")
		}
		for _, name := range r.list {
			if name.kind != '"' {
				c.bad(at, "required: %s is no name", name)
			}
			required[name.text] = true
		}
	}
	others := c.others(additional, properties != nil, at)
	if properties == nil {
		for name := range required {
			c.bad(at, "required: %.100q is not among the properties", name)
		}
		lo, hi := c.span(v, at, "minProperties", "maxProperties")
		if others == nil && lo > 0 {
			return c.bad(at, "minProperties is %d, but additionalProperties is false", lo)
		}
		if others == nil {
			return c.braces(empty)
		}
		return c.braces(c.listed(seq(c.member(c.string(0, -1), others)), lo, hi))
	}
	if properties.kind != '{' {
		return c.bad(at, "properties: want an object of schemas")
	}
	for _, key := range []string{"minProperties", "maxProperties"} {
		if v.get(key) != nil {
			c.bad(at, "%q is not supported beside %q", key, "properties")
		}
	}
	tail := [2]*expr{empty, c.space} // by whether a member stands before
	if others != nil {
		more := c.member(c.otherKey(properties.keys, at), others)
		tail[1] = seq(repeat(seq(text(","), c.space, more), 0, -1), c.space)
		tail[0] = alt(empty, seq(more, tail[1]))
	}
	for i := len(properties.keys) - 1; i >= 0; i-- {
		name := properties.keys[i]
		x := properties.get(name)
		if x.kind == 'f' && !required[name] {
			continue // never there
		}
		m := c.member(text(quoteJSON(name)), c.compile(x, at+"/properties/"+pointer(name)))
		first, later := seq(m, tail[1]), seq(text(","), c.space, m, tail[1])
		if required[name] {
			tail = [2]*expr{first, later}
		} else {
			tail = [2]*expr{alt(first, tail[0]), alt(later, tail[1])}
		}
		delete(required, name)
	}
	for name := range required {
		c.bad(at, "required: %.100q is not among the properties", name)
	}
	return c.braces(tail[0])
}

// others is what undeclared members may be, nil if there may be none.
func (c *schemaCompiler) others(additional *jsonValue, declared bool, at string) *expr {
	switch {
	case additional == nil && declared, additional != nil && additional.kind == 'f':
		return nil
	case additional == nil:
		return c.any
	}
	return c.compile(additional, at+"/additionalProperties")
}

// maxName bounds the length of names that other names must differ from.
const maxName = 1000

// otherKey is a string without escapes that is none of the names: at each character it leaves the names or follows one.
func (c *schemaCompiler) otherKey(names []string, at string) *expr {
	names = slices.Clone(names)
	slices.Sort(names)
	for _, name := range names {
		if len(name) > maxName {
			return c.bad(at, "a property's name of %d bytes beside additionalProperties; the limit is %d", len(name), maxName)
		}
	}
	anyRest := seq(repeat(runes(plainChars), 0, -1), text(`"`))
	var follow func(names []string) *expr
	follow = func(names []string) *expr {
		var alts []*expr
		here := false // one of the names ends here
		var next []rune
		for len(names) > 0 {
			if names[0] == "" {
				here, names = true, names[1:]
				continue
			}
			r, size := firstRune(names[0])
			n := 0
			for n < len(names) && strings.HasPrefix(names[n], names[0][:size]) {
				n++
			}
			next = append(next, r)
			if inRanges(plainChars, r) {
				var rest []string
				for _, s := range names[:n] {
					rest = append(rest, s[size:])
				}
				alts = append(alts, seq(runes([]rune{r, r}), follow(rest)))
			}
			names = names[n:]
		}
		if !here {
			alts = append(alts, text(`"`))
		}
		return alt(append(alts, seq(runes(without(plainChars, next...)), anyRest))...)
	}
	return seq(text(`"`), follow(names))
}

func (c *schemaCompiler) array(v *jsonValue, at string) *expr {
	lo, hi := c.span(v, at, "minItems", "maxItems")
	items := v.get("items")
	if items != nil && items.kind == 'f' {
		if lo > 0 {
			return c.bad(at, "minItems is %d, but items is false", lo)
		}
		hi = 0
	}
	x := c.any
	if items != nil && hi != 0 {
		x = c.compile(items, at+"/items")
	}
	return c.brackets(c.listed(x, lo, hi))
}

func (c *schemaCompiler) stringType(v *jsonValue, at string) *expr {
	pattern, format := v.get("pattern"), v.get("format")
	length := v.get("minLength") != nil || v.get("maxLength") != nil
	if pattern != nil && format != nil || length && (pattern != nil || format != nil) {
		return c.bad(at, "of pattern, format and minLength/maxLength only one is supported at a time")
	}
	switch {
	case pattern != nil:
		if pattern.kind != '"' {
			return c.bad(at, "pattern is %s, want text", pattern)
		}
		return c.pattern(pattern.text, at, true)
	case format != nil:
		p, ok := formats[format.text]
		if format.kind != '"' || !ok {
			return c.bad(at, "format %s is not supported: want date, time, date-time, uuid, ipv4 or email", format)
		}
		return c.pattern(p, at, false)
	}
	return c.string(c.span(v, at, "minLength", "maxLength"))
}

// pattern is a string of which the pattern matches a part, or the whole.
func (c *schemaCompiler) pattern(p, at string, part bool) *expr {
	r := regexCompiler{char: jsonRunes, classes: c.classes}
	var around *expr
	if part {
		around = c.char
	}
	e, err := r.compile(p, around)
	if err != nil {
		return c.bad(at, "%w", err)
	}
	return seq(text(`"`), e, text(`"`))
}

const (
	dateFormat = `\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))`
	timeFormat = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)`
)

// formats are narrower than RFC 3339, 4122 and 5321: no 29 February, no leap second, no quoted mail box.
var formats = map[string]string{
	"date":      dateFormat,
	"time":      timeFormat,
	"date-time": dateFormat + `T` + timeFormat,
	"uuid":      `[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`,
	"ipv4":      `((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`,
	"email":     `[A-Za-z0-9_+-]{1,30}(\.[A-Za-z0-9_+-]{1,30})?@([A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?\.){1,3}[A-Za-z]{2,12}`,
}

// largestWhole is the largest whole number that is written: 15 digits are exact in a float64.
const largestWhole = 1e15 - 1

func (c *schemaCompiler) number(v *jsonValue, at string, whole bool) *expr {
	lo, loOpen := c.limit(v, at, "minimum", "exclusiveMinimum", -1)
	hi, hiOpen := c.limit(v, at, "maximum", "exclusiveMaximum", +1)
	free := v.get("minimum") == nil && v.get("maximum") == nil && v.get("exclusiveMinimum") == nil && v.get("exclusiveMaximum") == nil
	switch {
	case free && whole:
		return c.integer
	case free:
		return c.anyNumber
	case whole:
		if loOpen {
			lo++
		}
		if hiOpen {
			hi--
		}
		loOpen, hiOpen = false, false
	}
	if lo > hi || lo == hi && (loOpen || hiOpen) {
		return c.bad(at, "no number lies between minimum and maximum")
	}
	var alts []*expr
	if hi > 0 || hi == 0 && !hiOpen {
		alts = append(alts, magnitude(max(lo, 0), loOpen && lo >= 0, hi, hiOpen, whole))
	}
	if lo < 0 { // and no -0
		alts = append(alts, seq(text("-"), magnitude(max(-hi, 0), hiOpen && hi <= 0 || hi >= 0, -lo, loOpen, whole)))
	}
	return alt(alts...)
}

// limit reads the stricter of a bound and its exclusive form; sign is -1 for the lower one.
func (c *schemaCompiler) limit(v *jsonValue, at, closed, open string, sign float64) (limit int64, exclusive bool) {
	limit = int64(sign * largestWhole)
	for _, key := range []string{closed, open} {
		x := v.get(key)
		if x == nil {
			continue
		}
		n, ok := wholeNumber(x)
		if !ok {
			c.bad(at, "%s is %s, want a whole number", key, x)
			continue
		}
		if math.Abs(n) > largestWhole {
			if n*sign > 0 {
				continue // beyond what is written anyway
			}
			c.bad(at, "%s is %s, beyond the 15 digits that are supported", key, x)
			continue
		}
		if b := int64(n); float64(b)*sign < float64(limit)*sign || b == limit && key == open {
			limit, exclusive = b, key == open
		}
	}
	return limit, exclusive
}

// wholeNumber is the value of a number that is whole as written: 2, 2.0, 2e3.
func wholeNumber(x *jsonValue) (float64, bool) {
	n, err := strconv.ParseFloat(x.text, 64)
	if x.kind != '0' || err != nil || n != math.Trunc(n) {
		return 0, false
	}
	_, fraction, _ := strings.Cut(x.text, ".")
	return n, strings.ContainsAny(x.text, "eE") || strings.Trim(fraction, "0") == "" // 1.00000000000000000001 rounds to 1
}
