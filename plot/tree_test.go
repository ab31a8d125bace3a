package plot

import (
	"bytes"
	"fmt"
	"image/png"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// smallTree has three leaves.
func smallTree() Tree {
	leaf := func(name string, v float64) *TreeNode { return &TreeNode{Label: []string{name, "count 1"}, Value: v} }
	return Tree{Title: "model", Subtitle: "3 leaves", Root: &TreeNode{Label: []string{"a ≤ 0.5", "gain 2"},
		Yes: leaf("leaf 0", 0.25), No: &TreeNode{Label: []string{`b "in" {1\2}`}, Yes: leaf("leaf 1", -0.5), No: leaf("leaf 2", 0)}}}
}

// bigTree splits leaves in halves until there are n; every third of its sides is a long chain.
func bigTree(n int) *TreeNode {
	if n == 1 {
		return &TreeNode{Label: []string{fmt.Sprintf("leaf %d", n), "count 20"}, Value: float64(n)}
	}
	k := n / 2
	if n%3 == 0 {
		k = 1
	}
	return &TreeNode{Label: []string{fmt.Sprintf("Column_%d ≤ 0.123", n), "gain 12.345", "count 20"}, Yes: bigTree(k), No: bigTree(n - k)}
}

func TestTreeText(t *testing.T) {
	var b strings.Builder
	if err := smallTree().Text(&b, Terminal{}); err != nil {
		t.Fatal(err)
	}
	want := `model
3 leaves
a ≤ 0.5  gain 2
├─ yes  leaf 0  count 1
└─ no   b "in" {1\2}
   ├─ yes  leaf 1  count 1
   └─ no   leaf 2  count 1
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
	b.Reset()
	cut := smallTree()
	cut.Depth = 1
	if err := cut.Text(&b, Terminal{Width: 30}); err != nil {
		t.Fatal(err)
	}
	want = `model
3 leaves, drawn to depth 1 of…
a ≤ 0.5  gain 2
├─ yes  leaf 0  count 1
└─ no   … 2 leaves
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestTreeDOT(t *testing.T) {
	var b strings.Builder
	tree := smallTree()
	tree.Vertical = true
	if err := tree.DOT(&b); err != nil {
		t.Fatal(err)
	}
	want := `digraph {
	graph [nodesep=0.05 ranksep=0.3 rankdir=TB labelloc=t label="model\n3 leaves"]
	n0 [label="a ≤ 0.5\ngain 2" shape=rectangle]
	n1 [label="leaf 0\ncount 1" shape=ellipse]
	n0 -> n1 [label=yes]
	n2 [label="b \"in\" {1\\2}" shape=rectangle]
	n3 [label="leaf 1\ncount 1" shape=ellipse]
	n2 -> n3 [label=yes]
	n4 [label="leaf 2\ncount 1" shape=ellipse]
	n2 -> n4 [label=no]
	n0 -> n2 [label=no]
}
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

// box is the corners of a filled rectangle.
type box struct{ left, top, right, bottom int }

var rectangle = regexp.MustCompile(`<path d="M (\d+) (\d+)\nL (\d+) (\d+)\nL (\d+) (\d+)\nL (\d+) (\d+)\nL (\d+) (\d+)" style="[^"]*fill:(?:rgb|white)`)

// boxes are a picture's rectangles but for the page.
func boxes(t *testing.T, svg string) (page box, list []box) {
	t.Helper()
	for i, m := range rectangle.FindAllStringSubmatch(svg, -1) {
		n := make([]int, 7)
		for k := 1; k < 7; k++ {
			n[k], _ = strconv.Atoi(m[k])
		}
		b := box{n[1], n[2], n[3], n[6]}
		if i == 0 {
			page = b
		} else {
			list = append(list, b)
		}
	}
	return page, list
}

// TestTreeBoxes: no box lies on another or leaves the page, whatever the tree and its orientation; a tree of 255 leaves
// is drawn whole, one of 3000 as deep as fits.
func TestTreeBoxes(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 255, 3000} {
		for _, vertical := range []bool{false, true} {
			tree := Tree{Title: "model", Root: bigTree(n), Vertical: vertical}
			var b bytes.Buffer
			if err := tree.Draw(&b, SVG, Options{}); err != nil {
				t.Fatalf("%d leaves: %v", n, err)
			}
			page, list := boxes(t, b.String())
			if want := 2*n - 1; n <= 255 && !(vertical && n == 255) && len(list) != want || len(list) > want {
				t.Errorf("%d leaves, vertical %t: %d boxes, want %d", n, vertical, len(list), want)
			}
			if whole := len(list) == 2*n-1; whole == strings.Contains(b.String(), "drawn to depth") {
				t.Errorf("%d leaves, vertical %t: drawn whole is %t, but it says otherwise", n, vertical, whole)
			}
			for i, a := range list {
				if a.left < 0 || a.top < 0 || a.right > page.right || a.bottom > page.bottom || a.left >= a.right || a.top >= a.bottom {
					t.Fatalf("%d leaves, vertical %t: box %v on a page %v", n, vertical, a, page)
				}
				for _, c := range list[:i] {
					if a.left < c.right && c.left < a.right && a.top < c.bottom && c.top < a.bottom {
						t.Fatalf("%d leaves, vertical %t: boxes %v and %v overlap", n, vertical, a, c)
					}
				}
			}
		}
	}
}

func TestTreePNG(t *testing.T) {
	var b bytes.Buffer
	if err := smallTree().Draw(&b, PNG, Options{}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	tints := map[[3]uint8]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, bl, _ := img.At(x, y).RGBA()
			tints[[3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(bl >> 8)}]++
		}
	}
	p := treePicture{most: 0.5}
	for _, v := range []float64{0.25, -0.5, 0} {
		if c := p.tint(v); tints[[3]uint8{c.R, c.G, c.B}] < 500 {
			t.Errorf("leaf of %v: %d pixels of its tint", v, tints[[3]uint8{c.R, c.G, c.B}])
		}
	}
}

func TestTreeRefused(t *testing.T) {
	var b bytes.Buffer
	if err := (Tree{}).Draw(&b, SVG, Options{}); err == nil {
		t.Error("a tree without a root is drawn")
	}
	if err := (Tree{}).Text(&b, Terminal{}); err == nil {
		t.Error("a tree without a root is written")
	}
	if err := (Tree{}).DOT(&b); err == nil {
		t.Error("a tree without a root is written as DOT")
	}
	deep := Tree{Root: bigTree(3000), Depth: 1000}
	if err := deep.Draw(&b, SVG, Options{}); err == nil || !strings.Contains(err.Error(), "draw fewer levels") {
		t.Errorf("error %v", err)
	}
	if b.Len() > 0 {
		t.Errorf("%d bytes written", b.Len())
	}
}
