package main

import (
	"io"

	"github.com/hanji-ml/hanji/internal/atomicfile"
	"github.com/hanji-ml/hanji/plot"
)

// drawing is a picture of package plot.
type drawing interface {
	Draw(io.Writer, plot.Format, plot.Options) error
	Text(io.Writer, plot.Terminal) error
}

// writePicture draws into a file .png or .svg, or for "term" as text to w.
func writePicture(w io.Writer, file string, d drawing) error {
	if file == "term" {
		return d.Text(w, plot.Terminal{})
	}
	format, err := plot.FormatOf(file)
	if err != nil {
		return err
	}
	return atomicfile.Write(file, func(w io.Writer) error { return d.Draw(w, format, plot.Options{}) })
}
