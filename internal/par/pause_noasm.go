//go:build purego || (!amd64 && !arm64)

package par

import "runtime"

// pause gives way to other goroutines: without an instruction for it, that is the gentlest wait.
func pause(int) { runtime.Gosched() }
