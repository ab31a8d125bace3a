package chat

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind tells tokens apart.
type kind int

const (
	tokData   kind = iota // text outside of tags
	tokBegin              // {%
	tokEnd                // %}
	tokOpen               // {{
	tokClose              // }}
	tokName               // name or keyword
	tokString             // literal, unescaped
	tokInt
	tokFloat
	tokOp // operator or bracket
	tokEOF
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "the end of the template"
	case tokEnd:
		return "%}"
	case tokClose:
		return "}}"
	}
	return fmt.Sprintf("%.40q", t.text)
}

// lexer cuts a template into tokens, with trim_blocks and lstrip_blocks on as transformers has
// them: the line break after a block tag goes, and white space before one on its line. The
// rules are those of jinja2/lexer.py.
type lexer struct {
	src       string
	pos, line int
	lineStart bool // what came before ended a line: lstrip may strip up to here
	out       []token
}

const maxTokens = 1 << 20

func lex(src string) ([]token, error) {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	src = strings.TrimSuffix(src, "\n") // keep_trailing_newline is off
	l := &lexer{src: src, line: 1, lineStart: true}
	for l.pos < len(l.src) {
		if err := l.outside(); err != nil {
			return nil, err
		}
		if len(l.out) > maxTokens {
			return nil, l.errorf("more than %d parts", maxTokens)
		}
	}
	l.add(tokEOF, "")
	return l.out, nil
}

func (l *lexer) errorf(format string, args ...any) error {
	return &Error{Line: l.line, Message: fmt.Sprintf(format, args...)}
}

func (l *lexer) add(k kind, text string) { l.out = append(l.out, token{k, text, l.line}) }

// skip moves on over n bytes.
func (l *lexer) skip(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

// outside reads text up to the next tag, and that tag.
func (l *lexer) outside() error {
	rest := l.src[l.pos:]
	n := nextTag(rest)
	if n < 0 {
		l.data(rest)
		l.skip(len(rest))
		return nil
	}
	text, tag := rest[:n], rest[n:n+2]
	sign := byte(0)
	if n+2 < len(rest) && (rest[n+2] == '-' || rest[n+2] == '+') {
		sign = rest[n+2]
	}
	switch {
	case sign == '-':
		l.data(strings.TrimRightFunc(text, unicode.IsSpace))
	case sign == 0 && tag != "{{":
		l.data(l.lstrip(text))
	default:
		l.data(text)
	}
	l.skip(n + 2)
	if sign != 0 {
		l.skip(1)
	}
	l.lineStart = false
	switch tag {
	case "{#":
		return l.comment()
	case "{%":
		if done, err := l.raw(); done || err != nil {
			return err
		}
		l.add(tokBegin, "{%")
		return l.inside("%}", tokEnd)
	}
	l.add(tokOpen, "{{")
	return l.inside("}}", tokClose)
}

func nextTag(s string) int {
	for i := 0; ; i++ {
		n := strings.IndexByte(s[i:], '{')
		if n < 0 || i+n+1 >= len(s) {
			return -1
		}
		i += n
		if c := s[i+1]; c == '{' || c == '%' || c == '#' {
			return i
		}
	}
}

func (l *lexer) data(text string) {
	if text != "" {
		l.add(tokData, text)
	}
}

// lstrip drops white space between the begin of the line and a tag.
func (l *lexer) lstrip(text string) string {
	at := strings.LastIndexByte(text, '\n') + 1
	if (at > 0 || l.lineStart) && strings.TrimSpace(text[at:]) == "" {
		return text[:at]
	}
	return text
}

// after handles what stands behind the end of a tag: trim_blocks, or the sign before it.
func (l *lexer) after(sign byte, block bool) {
	switch {
	case sign == '-':
		rest := l.src[l.pos:]
		n := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
		l.lineStart = n > 0 && rest[n-1] == '\n'
		l.skip(n)
	case sign == 0 && block && strings.HasPrefix(l.src[l.pos:], "\n"):
		l.skip(1)
		l.lineStart = true
	default:
		l.lineStart = false
	}
}

func (l *lexer) comment() error {
	n := strings.Index(l.src[l.pos:], "#}")
	if n < 0 {
		return l.errorf("comment does not end: there is no #}")
	}
	sign := byte(0)
	if n > 0 && (l.src[l.pos+n-1] == '-' || l.src[l.pos+n-1] == '+') {
		sign = l.src[l.pos+n-1]
	}
	l.skip(n + 2)
	l.after(sign, true)
	return nil
}

// raw reads {% raw %}…{% endraw %} as text. The tag's begin has been read.
func (l *lexer) raw() (done bool, err error) {
	s := strings.TrimLeftFunc(l.src[l.pos:], unicode.IsSpace)
	s, ok := strings.CutPrefix(s, "raw")
	if !ok {
		return false, nil
	}
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	sign := byte(0)
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = s[0], s[1:]
	}
	s, ok = strings.CutPrefix(s, "%}")
	if !ok {
		return false, nil
	}
	l.skip(len(l.src) - l.pos - len(s))
	l.after(sign, false)
	for at := l.pos; ; at++ {
		n := strings.Index(l.src[at:], "{%")
		if n < 0 {
			return true, l.errorf("raw does not end: there is no {%% endraw %%}")
		}
		at += n
		s := l.src[at+2:]
		begin := byte(0)
		if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
			begin, s = s[0], s[1:]
		}
		s, ok := strings.CutPrefix(strings.TrimLeftFunc(s, unicode.IsSpace), "endraw")
		if !ok {
			continue
		}
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
		end := byte(0)
		if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
			end, s = s[0], s[1:]
		}
		if s, ok = strings.CutPrefix(s, "%}"); !ok {
			continue
		}
		text := l.src[l.pos:at]
		switch begin {
		case '-':
			text = strings.TrimRightFunc(text, unicode.IsSpace)
		case 0:
			text = l.lstrip(text)
		}
		l.data(text)
		l.skip(len(l.src) - l.pos - len(s))
		l.after(end, true)
		return true, nil
	}
}

// operators, longest first.
var operators = []string{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"}

// inside reads a tag up to its end. Brackets are balanced, so that }} may end two dicts.
func (l *lexer) inside(end string, k kind) error {
	var open []byte
	for {
		rest := strings.TrimLeftFunc(l.src[l.pos:], unicode.IsSpace)
		l.skip(len(l.src) - l.pos - len(rest))
		if rest == "" {
			return l.errorf("tag does not end: there is no %s", end)
		}
		if len(open) == 0 {
			for _, sign := range []string{"", "-", "+"} {
				if !strings.HasPrefix(rest, sign+end) || sign == "+" && end == "}}" {
					continue
				}
				l.add(k, end)
				l.skip(len(sign) + len(end))
				var c byte
				if sign != "" {
					c = sign[0]
				}
				l.after(c, end == "%}")
				return nil
			}
		}
		n, err := l.token(rest)
		if err != nil {
			return err
		}
		if t := l.out[len(l.out)-1]; t.kind == tokOp {
			switch c := t.text[0]; c {
			case '(', '[', '{':
				open = append(open, c)
			case ')', ']', '}':
				if len(open) == 0 || open[len(open)-1] != map[byte]byte{')': '(', ']': '[', '}': '{'}[c] {
					return l.errorf("%c without its opening bracket", c)
				}
				open = open[:len(open)-1]
			}
		}
		l.skip(n)
		if len(l.out) > maxTokens {
			return l.errorf("more than %d parts", maxTokens)
		}
	}
}

// token adds the token that rest begins with, and gives its length.
func (l *lexer) token(rest string) (int, error) {
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		return l.string(rest)
	case '0' <= c && c <= '9':
		return l.number(rest), nil
	case c == '_' || c < utf8.RuneSelf && unicode.IsLetter(rune(c)):
		n := 1
		for n < len(rest) && (rest[n] == '_' || '0' <= rest[n] && rest[n] <= '9' || rest[n] < utf8.RuneSelf && unicode.IsLetter(rune(rest[n]))) {
			n++
		}
		l.add(tokName, rest[:n])
		return n, nil
	}
	for _, op := range operators {
		if strings.HasPrefix(rest, op) {
			l.add(tokOp, op)
			return len(op), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return 0, l.errorf("%q means nothing here", r)
}

func (l *lexer) number(rest string) int {
	n := 0
	digits := func() {
		for n < len(rest) && ('0' <= rest[n] && rest[n] <= '9' || rest[n] == '_') {
			n++
		}
	}
	digits()
	k := tokInt
	if n+1 < len(rest) && rest[n] == '.' && '0' <= rest[n+1] && rest[n+1] <= '9' {
		k = tokFloat
		n++
		digits()
	}
	if n+1 < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		at := n
		n++
		if rest[n] == '+' || rest[n] == '-' {
			n++
		}
		if n < len(rest) && '0' <= rest[n] && rest[n] <= '9' {
			k = tokFloat
			digits()
		} else {
			n = at
		}
	}
	l.add(k, strings.ReplaceAll(rest[:n], "_", ""))
	return n
}

// string reads a literal with Python's escapes; one that is unknown stays as it stands.
func (l *lexer) string(rest string) (int, error) {
	quote := rest[0]
	var w strings.Builder
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote:
			l.add(tokString, w.String())
			return i + 1, nil
		case c == '\\' && i+1 < len(rest):
			n := unescape(&w, rest[i:])
			i += n - 1
		default:
			w.WriteByte(c)
		}
	}
	return 0, l.errorf("text does not end: there is no second %c", quote)
}

// unescape writes what the escape at the begin of s stands for, and gives its length.
func unescape(w *strings.Builder, s string) int {
	if c, ok := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '\'': '\'', '"': '"', 'a': 7, 'b': 8, 'f': 12, 'v': 11}[s[1]]; ok {
		w.WriteByte(c)
		return 2
	}
	if s[1] == '\n' {
		return 2
	}
	if n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]; n > 0 && len(s) >= 2+n {
		var r rune
		if _, err := fmt.Sscanf(s[2:2+n], "%x", &r); err == nil && r >= 0 && r <= utf8.MaxRune {
			w.WriteRune(r)
			return 2 + n
		}
	}
	w.WriteString(s[:2])
	return 2
}
