// Package plot draws what the commands and experiments have to show: a forecast with its
// prediction intervals, learning curves, measurements with error bars, bars, and decision trees.
// A picture is PNG, SVG, or text for a terminal.
//
// It knows plain slices and times, nothing of tables, models or files, and only the
// command line and experiments import it: a library user of hanji never links it.
//
//	f := plot.Forecast{Title: "visitors", History: history, Mean: mean, Bands: bands}
//	err := f.Draw(w, plot.PNG, plot.Options{})
//
// The built-in font has Latin, Greek and Cyrillic letters. Hangul and other scripts in a PNG
// need a TrueType font of the user's in [Options].Font; without one Draw returns a
// [MissingGlyphError] rather than a picture with holes. An SVG leaves the glyphs to its viewer
// and never needs one.
package plot

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// Format is the kind of file that Draw writes.
type Format string

const (
	PNG Format = "png"
	SVG Format = "svg"
)

// FormatOf tells the format from a file's name: .png or .svg in any case.
func FormatOf(name string) (Format, error) {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".png":
		return PNG, nil
	case ".svg":
		return SVG, nil
	}
	return "", fmt.Errorf("plot: %s: a picture's name ends in .png or .svg", name)
}

// Options hold for every picture. The zero value works.
type Options struct {
	Width, Height int    // pixels; 0 = 1200 and 600; at least 240 × 160, at most 10000 × 10000
	Font          []byte // a TrueType font file's content; nil = the built-in Latin one
}

const (
	defaultWidth, defaultHeight = 1200, 600
	minWidth, minHeight         = 240, 160
	maxSide                     = 10000
)

// Series is a line over time, or over steps when Time is nil. A value that is not finite is a gap.
type Series struct {
	Time  []time.Time // ascending; nil, or as long as Value
	Value []float64
}

// drawing is a picture while it is laid out: where its text goes and who fills its frame.
type drawing interface {
	paint(*canvas) error
}

// draw checks the options, paints, and writes the picture whole or not at all.
func draw(w io.Writer, d drawing, format Format, o Options) error {
	c, err := newCanvas(format, o)
	if err != nil {
		return err
	}
	if err := d.paint(c); err != nil {
		return err
	}
	b, err := c.bytes()
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
