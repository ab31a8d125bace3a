package torchpt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The pickle machine: protocols 0 to 5 of Python's pickle (Lib/pickletools.py
// describes every opcode), without its one dangerous power. A pickle is a program
// that may name any Python object and call it; here it may name what allowed
// (globals.go) lists, each of which builds a plain value.
//
// Every opcode costs at least a byte of input and makes at most one value, so
// memory is linear in the input; the few that copy what others made (a tuple of a
// list, say) pay from a budget, or a short program could double a list at each
// step.
type machine struct {
	in     []byte
	at     int
	stack  []any
	marks  []int // heights of the stack at each open mark
	memo   map[int]any
	budget int
	load   func(key string, numel int, class storageClass) (*storage, error) // a persistent id
}

// Values on the stack are nil, bool, int64, *big.Int, float64, string, []byte,
// *list, *tuple, *dict, global, *storage and *view.
type (
	list  struct{ items []any } // a set too
	tuple struct{ items []any }
	dict  struct {
		keys, values []any
		index        map[any]int // position of hashable keys
	}
)

// maxPickle bounds data.pkl. It holds names and shapes, not weights: a model of
// 100,000 tensors takes some 20 MB.
const maxPickle = 128 << 20

var errEnds = errors.New("pickle ends early; truncated download?")

// unpickle runs the program in and returns what it leaves.
func unpickle(in []byte, load func(string, int, storageClass) (*storage, error)) (any, error) {
	if len(in) > maxPickle {
		return nil, fmt.Errorf("pickle has %d bytes, at most %d are read", len(in), maxPickle)
	}
	m := &machine{in: in, memo: map[int]any{}, budget: 16*len(in) + 1<<16, load: load}
	for {
		at := m.at
		op, err := m.byte()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			return m.pop()
		}
		if err := m.step(op); err != nil {
			var refused *refusedError
			if errors.As(err, &refused) || errors.Is(err, errEnds) {
				return nil, err
			}
			return nil, fmt.Errorf("pickle byte %d, opcode %q: %w", at, op, err)
		}
	}
}

// refusedError is a global that is not on the list.
type refusedError struct{ name string }

func (e *refusedError) Error() string {
	return fmt.Sprintf("pickle wants to call %q; refused: only tensors are read", clip(e.name))
}

// step runs one opcode, grouped as in pickletools.
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.byte()
		if err == nil && v > 5 {
			return fmt.Errorf("protocol %d is not known", v)
		}
		return err
	case 0x95: // FRAME
		_, err := m.take(8)
		return err
	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP: takes a mark off, if nothing was pushed since
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.top()
		return m.push(v, err)
	case 'N':
		return m.push(nil, nil)
	case 0x88, 0x89: // NEWTRUE, NEWFALSE
		return m.push(op == 0x88, nil)
	case 'I', 'L', 'F', 'K', 'M', 'J', 0x8a, 0x8b, 'G':
		return m.number(op)
	case 'S', 'V', 'U', 'T', 'X', 0x8c, 0x8d, 'C', 'B', 0x8e, 0x96:
		return m.text(op)
	case ')', ']', '}', 0x8f, 't', 0x85, 0x86, 0x87, 'l', 'd', 0x91:
		return m.container(op)
	case 'a', 'e', 's', 'u', 0x90:
		return m.fill(op)
	case 'p', 'q', 'r', 0x94, 'g', 'h', 'j':
		return m.memory(op)
	}
	return m.object(op)
}

// number pushes INT, LONG, FLOAT, BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT.
func (m *machine) number(op byte) error {
	switch op {
	case 'I', 'L', 'F':
		text, err := m.line()
		if err != nil {
			return err
		}
		return m.push(parseNumber(op, text))
	case 'G':
		b, err := m.take(8)
		if err != nil {
			return err
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)), nil)
	case 0x8a, 0x8b:
		b, err := m.counted(map[byte]int{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		return m.push(longInt(b), nil)
	}
	size := map[byte]int{'K': 1, 'M': 2, 'J': 4}[op]
	b, err := m.take(size)
	if err != nil {
		return err
	}
	v := littleEndian(b)
	if op == 'J' {
		return m.push(int64(int32(v)), nil)
	}
	return m.push(int64(v), nil)
}

func parseNumber(op byte, text string) (any, error) {
	switch {
	case op == 'F':
		return strconv.ParseFloat(text, 64)
	case op == 'I' && text == "00":
		return false, nil
	case op == 'I' && text == "01":
		return true, nil
	}
	text = strings.TrimSuffix(text, "L")
	if v, err := strconv.ParseInt(text, 10, 64); err == nil {
		return v, nil
	}
	if len(text) > 400 { // parsing decimals takes quadratic time
		return nil, fmt.Errorf("integer of %d digits", len(text))
	}
	v, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no integer", clip(text))
	}
	return v, nil
}

// longInt reads a little-endian two's complement integer of any length.
func longInt(b []byte) any {
	if len(b) <= 8 {
		v := int64(littleEndian(b))
		if shift := 64 - 8*len(b); shift < 64 {
			v = v << shift >> shift // extends the sign
		}
		return v
	}
	back := make([]byte, len(b))
	for i, x := range b {
		back[len(b)-1-i] = x
	}
	v := new(big.Int).SetBytes(back)
	if back[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return v
}

func littleEndian(b []byte) (v uint64) {
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

// text pushes the string opcodes (as string) and the bytes opcodes (as []byte).
func (m *machine) text(op byte) error {
	switch op {
	case 'S':
		s, err := m.line()
		if err == nil && (len(s) < 2 || s[0] != s[len(s)-1] || s[0] != '\'' && s[0] != '"' || strings.ContainsRune(s, '\\')) {
			err = fmt.Errorf("%q is no plain quoted string", clip(s))
		}
		if err != nil {
			return err
		}
		return m.push(s[1:len(s)-1], nil)
	case 'V':
		s, err := m.line()
		if err == nil && strings.ContainsRune(s, '\\') {
			err = fmt.Errorf("%q has escapes", clip(s))
		}
		return m.push(s, err)
	}
	width := map[byte]int{'U': 1, 0x8c: 1, 'C': 1, 'T': 4, 'X': 4, 'B': 4, 0x8d: 8, 0x8e: 8, 0x96: 8}[op]
	b, err := m.counted(width)
	if err != nil {
		return err
	}
	switch op {
	case 'C', 'B', 0x8e, 0x96:
		return m.push(b, nil) // a slice of the input, which no one writes to
	}
	if op != 'U' && op != 'T' && !utf8.Valid(b) { // Python 2's strings are bytes
		return errors.New("text is not UTF-8")
	}
	return m.push(string(b), nil)
}

// container pushes an empty container, or one of the topmost values.
func (m *machine) container(op byte) error {
	switch op {
	case ')':
		return m.push(&tuple{}, nil)
	case ']', 0x8f:
		return m.push(&list{}, nil)
	case '}':
		return m.push(&dict{}, nil)
	case 0x85, 0x86, 0x87:
		n := int(op) - 0x84
		if len(m.stack)-m.floor() < n {
			return errStack
		}
		items := append([]any(nil), m.stack[len(m.stack)-n:]...)
		m.stack = m.stack[:len(m.stack)-n]
		return m.push(&tuple{items}, nil)
	}
	items, err := m.popMark()
	if err != nil {
		return err
	}
	switch op {
	case 't':
		return m.push(&tuple{items}, nil)
	case 'l', 0x91:
		return m.push(&list{items}, nil)
	}
	d := &dict{}
	return m.push(d, d.setAll(items))
}

// fill adds the topmost values to the container below them.
func (m *machine) fill(op byte) error {
	var items []any
	var err error
	switch op {
	case 'a', 's':
		n := map[byte]int{'a': 1, 's': 2}[op]
		if len(m.stack)-m.floor() < n {
			return errStack
		}
		items = append([]any(nil), m.stack[len(m.stack)-n:]...)
		m.stack = m.stack[:len(m.stack)-n]
	default:
		if items, err = m.popMark(); err != nil {
			return err
		}
	}
	into, err := m.top()
	if err != nil {
		return err
	}
	switch c := into.(type) {
	case *list:
		if op == 'a' || op == 'e' || op == 0x90 {
			c.items = append(c.items, items...)
			return nil
		}
	case *dict:
		if op == 's' || op == 'u' {
			return c.setAll(items)
		}
	}
	return fmt.Errorf("cannot fill %s", describe(into))
}

// setAll takes keys and values in turn; a later equal key replaces, as in Python.
func (d *dict) setAll(items []any) error {
	if len(items)%2 != 0 {
		return errors.New("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	return nil
}

func (d *dict) set(key, value any) {
	switch key.(type) {
	case nil, bool, int64, string, float64:
		if at, ok := d.index[key]; ok {
			d.values[at] = value
			return
		}
		if d.index == nil {
			d.index = map[any]int{}
		}
		d.index[key] = len(d.keys)
	}
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

func (d *dict) get(key string) (any, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// memory is PUT, BINPUT, LONG_BINPUT, MEMOIZE and GET, BINGET, LONG_BINGET. The
// memo is a map: a slot's number is no size to allocate.
func (m *machine) memory(op byte) error {
	slot := len(m.memo) // MEMOIZE
	switch op {
	case 'p', 'g':
		text, err := m.line()
		if err != nil {
			return err
		}
		if slot, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("memo slot %q is no number", clip(text))
		}
	case 'q', 'h', 'r', 'j':
		b, err := m.take(map[byte]int{'q': 1, 'h': 1, 'r': 4, 'j': 4}[op])
		if err != nil {
			return err
		}
		slot = int(littleEndian(b))
	}
	if op == 'g' || op == 'h' || op == 'j' {
		v, ok := m.memo[slot]
		if !ok {
			return fmt.Errorf("memo slot %d is empty", slot)
		}
		return m.push(v, nil)
	}
	v, err := m.top()
	if err == nil {
		m.memo[slot] = v
	}
	return err
}

var errStack = errors.New("stack is too short")

// floor is the height under which nothing may be popped: the last mark.
func (m *machine) floor() int {
	if n := len(m.marks); n > 0 {
		return m.marks[n-1]
	}
	return 0
}

func (m *machine) push(v any, err error) error {
	if err == nil {
		m.stack = append(m.stack, v)
	}
	return err
}

func (m *machine) top() (any, error) {
	if len(m.stack) <= m.floor() {
		return nil, errStack
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popMark returns everything above the last mark, copied: the stack is reused.
func (m *machine) popMark() ([]any, error) {
	if len(m.marks) == 0 {
		return nil, errors.New("no mark on the stack")
	}
	at := m.floor()
	m.marks = m.marks[:len(m.marks)-1]
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, nil
}

// spend takes n from the budget for work that no input byte pays for.
func (m *machine) spend(n int) error {
	if m.budget -= n; m.budget < 0 {
		return errors.New("copies more than a checkpoint could need; a pickle bomb?")
	}
	return nil
}

func (m *machine) byte() (byte, error) {
	b, err := m.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (m *machine) take(n int) ([]byte, error) {
	if n > len(m.in)-m.at {
		return nil, errEnds
	}
	b := m.in[m.at : m.at+n : m.at+n]
	m.at += n
	return b, nil
}

// counted reads a length of the given width, then as many bytes.
func (m *machine) counted(width int) ([]byte, error) {
	b, err := m.take(width)
	if err != nil {
		return nil, err
	}
	n := littleEndian(b)
	if n > uint64(len(m.in)-m.at) {
		return nil, errEnds
	}
	return m.take(int(n))
}

func (m *machine) line() (string, error) {
	n := bytes.IndexByte(m.in[m.at:], '\n')
	if n < 0 {
		return "", errEnds
	}
	b, err := m.take(n + 1)
	return strings.TrimSuffix(string(b[:n]), "\r"), err
}

func clip(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
