package kernel

import "testing"

// attnPaths runs f under each path that this machine has.
func attnPaths[TB interface {
	*testing.T | *testing.B
	Run(string, func(TB)) bool
}](t TB, f func(TB)) {
	t.Run("portable", f)
}
