package tensor

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a mistake of the calling code: shapes that do not fit, mixed element types, a tensor used after its scope
// ended. Ops panic with *Error; see Recover.
type Error struct {
	Op      string   // the operation, as "matmul"
	Problem string   // what does not fit
	Shapes  []string // the operands, as "f32[2 3]"
}

func (e *Error) Error() string {
	if len(e.Shapes) == 0 {
		return fmt.Sprintf("tensor: %s: %s", e.Op, e.Problem)
	}
	return fmt.Sprintf("tensor: %s: %s (operands %s)", e.Op, e.Problem, strings.Join(e.Shapes, ", "))
}

// Recover turns a panic with *Error into *err; every other panic goes on. Exported entry points that take outside
// shapes begin with
//
//	defer tensor.Recover(&err)
func Recover(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	case error: // package par hands a worker's panic over wrapped, with the worker's stack
		var e *Error
		if !errors.As(r, &e) {
			panic(r)
		}
		*err = e
	default:
		panic(r)
	}
}

func fail(op, problem string, ts ...*Tensor) {
	e := &Error{Op: op, Problem: problem}
	for _, t := range ts {
		if t != nil {
			e.Shapes = append(e.Shapes, t.String())
		}
	}
	panic(e)
}
