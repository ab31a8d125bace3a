package plot

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/go-analyze/charts"
)

// Sizes of a tree, in pixels: inside a box, between the boxes of a level, between levels, where "yes" and "no" stand.
const (
	boxPadX, boxPadY = 10, 5
	boxLine          = 16
	boxGap           = 7
	levelGap         = 52
	treeTop          = 14
	edgeSize         = 10 // points
)

// Draw writes the picture, by default as large as the tree needs it. It fails where that is more than a picture can be,
// and on a font that lacks a letter.
func (t Tree) Draw(w io.Writer, format Format, o Options) error {
	if err := t.validate(); err != nil {
		return err
	}
	c, err := newCanvas(format, Options{Width: minWidth, Height: minHeight, Font: o.Font}) // measures texts
	if err != nil {
		return err
	}
	all, _, most := t.Root.shape()
	depth := min(t.limit(), all)
	for t.Depth <= 0 && depth > 0 && (t.Root.ends(depth)*(boxLine+2*boxPadY+boxGap) > maxSide || depth*levelGap > maxSide) {
		depth-- // cannot fit: need not be laid out
	}
	p := t.lay(c, depth)
	for ; t.Depth <= 0 && depth > 0 && (p.width > maxSide || p.height > maxSide); p = t.lay(c, depth) {
		depth--
	}
	if p.width > maxSide || p.height > maxSide {
		return fmt.Errorf("plot: the tree needs %d × %d pixels, a picture has at most %d × %d: draw fewer levels", p.width, p.height, maxSide, maxSide)
	}
	p.most = most
	if o.Width == 0 {
		o.Width = p.width
	}
	if o.Height == 0 {
		o.Height = p.height
	}
	return draw(w, p, format, o)
}

// ends counts the boxes without children of the tree cut to a depth.
func (n *TreeNode) ends(depth int) int {
	if n.leaf() || depth == 0 {
		return 1
	}
	return n.Yes.ends(depth-1) + n.No.ends(depth-1)
}

// treePicture is a tree cut to a depth whose boxes have their places.
type treePicture struct {
	Tree
	root          *treeBox
	most          float64 // greatest size of a leaf's value
	levels        []int   // where each level begins
	width, height int
}

// treeBox is a node's box. Its place is counted from the first box: along the levels by its level, across by its centre.
type treeBox struct {
	*TreeNode
	lines         []string
	yes, no       *treeBox
	width, height int
	level         int
	across        int // its own extent, width or height
	room          int // taken across by it and all below, with the gap to the next
	centre        int
}

func (t Tree) lay(c *canvas, depth int) *treePicture {
	p := &treePicture{Tree: t}
	var root *TreeNode
	root, p.Subtitle = t.drawn(depth)
	var extents []int // of each level's boxes
	p.root = p.measure(c, root, 0, &extents)
	p.root.place(0)
	along := 0
	for _, e := range extents {
		p.levels = append(p.levels, along)
		along += e + levelGap
	}
	along, across := along-levelGap, p.root.room-boxGap
	if t.Vertical {
		along, across = across, along
	}
	p.width = max(minWidth, 2*margin+max(along, c.textWidth(t.Title, titleSize), c.textWidth(p.Subtitle, textSize)))
	p.height = max(minHeight, p.top()+across+margin)
	return p
}

// top is the first row below the title, as canvas.head sets it.
func (p *treePicture) top() int {
	y := margin + treeTop
	if p.Title != "" {
		y += 26
	}
	if p.Subtitle != "" {
		y += 20
	}
	return y
}

// measure makes the boxes, and notes the largest of each level.
func (p *treePicture) measure(c *canvas, n *TreeNode, level int, extents *[]int) *treeBox {
	b := &treeBox{TreeNode: n, lines: n.Label, level: level}
	if n.leaf() && !p.Vertical {
		b.lines = []string{strings.Join(n.Label, "  ")} // there are many below each other, and room beside them
	}
	b.height = boxLine*len(b.lines) + 2*boxPadY
	for _, l := range b.lines {
		b.width = max(b.width, c.textWidth(l, textSize)+2*boxPadX)
	}
	along, across := b.width, b.height
	if p.Vertical {
		along, across = across, along
	}
	if level == len(*extents) {
		*extents = append(*extents, 0)
	}
	(*extents)[level] = max((*extents)[level], along)
	b.across, b.room = across, across+boxGap
	if !n.leaf() {
		b.yes, b.no = p.measure(c, n.Yes, level+1, extents), p.measure(c, n.No, level+1, extents)
		b.room = max(b.room, b.yes.room+b.no.room)
	}
	return b
}

// place sets centres from a first free place on: between those of the children, but so that the box stays in its room.
func (b *treeBox) place(from int) {
	half := b.across / 2
	if b.yes == nil {
		b.centre = from + half
		return
	}
	skip := (b.room - b.yes.room - b.no.room) / 2 // where the box is larger than what is below
	b.yes.place(from + skip)
	b.no.place(from + skip + b.yes.room)
	b.centre = min(max((b.yes.centre+b.no.centre)/2, from+half), from+b.room-boxGap-half)
}

func (p *treePicture) paint(c *canvas) error {
	c.head(p.Title, p.Subtitle)
	p.edges(c, p.root)
	p.boxes(c, p.root)
	return nil
}

// at gives the page's coordinates of a place.
func (p *treePicture) at(along, across int) charts.Point {
	if p.Vertical {
		along, across = across, along
	}
	return charts.Point{X: margin + along, Y: p.top() + across}
}

// edges joins a box to those below it by lines that bend in the gap between levels.
func (p *treePicture) edges(c *canvas, b *treeBox) {
	if b.yes == nil {
		return
	}
	for i, child := range []*treeBox{b.yes, b.no} {
		to := p.levels[child.level]
		bend := to - levelGap*3/4
		c.p.LineStroke([]charts.Point{p.at(p.levels[b.level], b.centre), p.at(bend, b.centre), p.at(bend, child.centre), p.at(to, child.centre)}, axisInk, 1.2)
		at := p.at(bend+8, child.centre-4)
		if p.Vertical {
			at = p.at(to-10, child.centre+5)
		}
		c.text([]string{"yes", "no"}[i], at.X, at.Y, edgeSize, faint)
		p.edges(c, child)
	}
}

func (p *treePicture) boxes(c *canvas, b *treeBox) {
	corner := p.at(p.levels[b.level], b.centre)
	if p.Vertical {
		corner.X -= b.width / 2
	} else {
		corner.Y -= b.height / 2
	}
	fill, edge := charts.ColorWhite, axisInk
	switch {
	case b.yes == nil && finite(b.Value):
		fill, edge = p.tint(b.Value), charts.ColorTransparent
	case b.yes == nil: // cut off
		fill, edge = gridInk, charts.ColorTransparent
	}
	c.p.FilledRect(corner.X, corner.Y, corner.X+b.width, corner.Y+b.height, fill, edge, 1.2)
	for i, l := range b.lines {
		color := faint
		if i == 0 || b.yes == nil {
			color = ink // faint is hard to read on a tint
		}
		c.text(l, corner.X+(b.width-c.textWidth(l, textSize))/2, corner.Y+boxPadY+boxLine*i+13, textSize, color)
	}
	if b.yes != nil {
		p.boxes(c, b.yes)
		p.boxes(c, b.no)
	}
}

// tint is the colour of a leaf: blue above zero, red below, the stronger the further.
func (p *treePicture) tint(v float64) charts.Color {
	share := 0.0
	if p.most > 0 {
		share = math.Abs(v) / p.most
	}
	if v < 0 {
		return tint(seen, 0.08+0.35*share)
	}
	return tint(future, 0.08+0.35*share)
}
