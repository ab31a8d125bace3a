package table

import (
	"path/filepath"
	"testing"

	"github.com/hanji-ml/hanji/internal/golden"
)

// sharedFile is a file of the folder of public data.
func sharedFile(t testing.TB, parts ...string) string {
	t.Helper()
	return filepath.Join(append([]string{golden.Shared(t), "data"}, parts...)...)
}
