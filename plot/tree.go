package plot

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Tree is a binary decision tree. A row goes to Yes where it meets what a split's label says.
type Tree struct {
	Title, Subtitle string
	Root            *TreeNode
	Vertical        bool // the root on top; default at the left
	// Depth is how many levels of splits are drawn; in place of what is below stands how many leaves that has. 0: all that
	// a picture can hold; in text and DOT all.
	Depth int
}

// TreeNode is a split, or a leaf where it has no children.
type TreeNode struct {
	Label   []string // lines; the first says what it is
	Value   float64  // output of a leaf, which a picture shows as a tint of its sign and size
	Yes, No *TreeNode
}

func (n *TreeNode) leaf() bool { return n.Yes == nil || n.No == nil }

// shape gives depth and leaves below a node, and the greatest size of a leaf's value.
func (n *TreeNode) shape() (depth, leaves int, most float64) {
	if n.leaf() {
		if finite(n.Value) {
			most = math.Abs(n.Value)
		}
		return 0, 1, most
	}
	d1, l1, m1 := n.Yes.shape()
	d2, l2, m2 := n.No.shape()
	return 1 + max(d1, d2), l1 + l2, max(m1, m2)
}

// cut gives the tree down to some splits below each other, and whether that left something out.
func (n *TreeNode) cut(depth int) (*TreeNode, bool) {
	if n.leaf() {
		return n, false
	}
	if depth == 0 {
		_, leaves, _ := n.shape()
		return &TreeNode{Label: []string{fmt.Sprintf("… %d leaves", leaves)}, Value: nan}, true
	}
	yes, cut1 := n.Yes.cut(depth - 1)
	no, cut2 := n.No.cut(depth - 1)
	return &TreeNode{Label: n.Label, Yes: yes, No: no}, cut1 || cut2
}

// drawn is the tree cut to a depth, and a subtitle that says so.
func (t Tree) drawn(depth int) (*TreeNode, string) {
	all, _, _ := t.Root.shape()
	root, cut := t.Root.cut(depth)
	if !cut {
		return root, t.Subtitle
	}
	note := fmt.Sprintf("drawn to depth %d of %d", depth, all)
	if t.Subtitle != "" {
		note = t.Subtitle + ", " + note
	}
	return root, note
}

// limit is Depth, or no limit.
func (t Tree) limit() int {
	if t.Depth <= 0 {
		return math.MaxInt
	}
	return t.Depth
}

func (t Tree) validate() error {
	if t.Root == nil {
		return fmt.Errorf("plot: a tree without a root")
	}
	return nil
}

// Text writes the tree with a line for each node, whole unless the terminal has a width.
func (t Tree) Text(w io.Writer, term Terminal) error {
	if err := t.validate(); err != nil {
		return err
	}
	width := term.Width
	if width <= 0 {
		width = math.MaxInt
	}
	root, subtitle := t.drawn(t.limit())
	var out strings.Builder
	writeHead(&out, width, t.Title, subtitle)
	var walk func(n *TreeNode, first, rest string)
	walk = func(n *TreeNode, first, rest string) {
		writeHead(&out, width, first+strings.Join(n.Label, "  "))
		if !n.leaf() {
			walk(n.Yes, rest+"├─ yes  ", rest+"│  ")
			walk(n.No, rest+"└─ no   ", rest+"   ")
		}
	}
	walk(root, "", "")
	_, err := io.WriteString(w, out.String())
	return err
}

// DOT writes the tree in Graphviz's language, laid out as LightGBM's create_tree_digraph does it.
func (t Tree) DOT(w io.Writer) error {
	if err := t.validate(); err != nil {
		return err
	}
	root, subtitle := t.drawn(t.limit())
	rankdir := "LR"
	if t.Vertical {
		rankdir = "TB"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "digraph {\n\tgraph [nodesep=0.05 ranksep=0.3 rankdir=%s labelloc=t label=%s]\n", rankdir, quoteDOT([]string{t.Title, subtitle}))
	count := 0
	var walk func(n *TreeNode) int
	walk = func(n *TreeNode) int {
		id, shape := count, "rectangle"
		if count++; n.leaf() {
			shape = "ellipse"
		}
		fmt.Fprintf(&out, "\tn%d [label=%s shape=%s]\n", id, quoteDOT(n.Label), shape)
		if !n.leaf() {
			fmt.Fprintf(&out, "\tn%d -> n%d [label=yes]\n", id, walk(n.Yes))
			fmt.Fprintf(&out, "\tn%d -> n%d [label=no]\n", id, walk(n.No))
		}
		return id
	}
	walk(root)
	out.WriteString("}\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// quoteDOT writes lines as a quoted string of DOT.
func quoteDOT(lines []string) string {
	kept := slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return s == "" })
	for i, l := range kept {
		kept[i] = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ").Replace(l)
	}
	return `"` + strings.Join(kept, `\n`) + `"`
}
