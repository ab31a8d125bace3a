//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package hub

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock that filelock's UnixFileLock takes. A file system without locks gives it to everyone: then two
// processes may do the same work, and the checksum decides.
func tryLock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return false, nil
	case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK):
		return true, nil
	}
	return err == nil, err
}

// accessed is when a file was last read.
func accessed(path string, info os.FileInfo) time.Time {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return info.ModTime()
	}
	return time.Unix(st.Atim.Unix())
}
