//go:build !purego

package par

// pause tells the core n times that it is in a waiting loop.
//
//go:noescape
func pause(n int)
