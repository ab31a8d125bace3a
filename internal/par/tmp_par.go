package par

import "runtime"

func For(n, grain int, fn func(lo, hi int)) {
	for lo := 0; lo < n; lo += grain {
		fn(lo, min(n, lo+grain))
	}
}
func Threads() int { return runtime.GOMAXPROCS(0) }
func SetThreads(int) {}
