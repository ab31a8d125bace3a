package generate

import (
	"fmt"
	"io"
)

// Save writes what the cache holds of a sequence, for Load of a decoder of the same model and cache options. The tokens that it
// is of are the caller's to keep.
func (d *Decoder) Save(w io.Writer, seq int) error {
	if err := d.cache.WriteSequence(w, seq); err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	return nil
}

// Load opens a sequence with what Save wrote. An error that wraps nn.ErrSequence or nn.ErrCacheFull means that its tokens must be read
// again; no sequence is open then.
func (d *Decoder) Load(r io.Reader) (seq int, err error) {
	seq, err = d.Start()
	if err != nil {
		return 0, err
	}
	if err := d.cache.ReadSequence(r, seq); err != nil {
		return 0, fmt.Errorf("generate: %w", err)
	}
	return seq, nil
}
