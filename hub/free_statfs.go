//go:build darwin || freebsd || linux

package hub

import "golang.org/x/sys/unix"

// free is the room that a folder's disk has for this user.
func free(dir string) (int64, bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
