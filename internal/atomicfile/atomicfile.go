// Package atomicfile writes a file beside its final place and renames it there,
// so that a reader sees the old content or the new, never a part, and an
// existing memory mapping of the old file stays whole.
package atomicfile

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Write calls fill with a buffered writer to a new file in the folder of path,
// and puts that file at path when fill returns nil. The content reaches the disk
// before the rename. On any error nothing at path changes and the new file is
// removed; a process killed meanwhile leaves a file named .NAME.HEX.tmp behind.
//
// A new file gets the permissions of the one it replaces, else 0666 less the
// umask. A symbolic link at path is replaced, not followed. Errors of fill are
// returned as they are.
func Write(path string, fill func(w io.Writer) error) (err error) {
	mode := os.FileMode(0o666)
	old, statErr := os.Stat(path)
	if statErr == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("write %s: not a regular file (%s)", path, old.Mode().Type())
		}
		mode = old.Mode().Perm()
	}
	f, err := create(path, mode)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if statErr == nil {
		if err := f.Chmod(mode); err != nil { // the umask may have taken bits
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// create opens a file that did not exist. os.CreateTemp would make it 0600,
// which a checkpoint read by another account must not become.
func create(path string, mode os.FileMode) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%08x.tmp", base, rand.Uint32()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if os.IsExist(err) && try < 100 {
			continue
		}
		return f, err
	}
}
