package gbdt

import (
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// follow walks down as the documentation of Node says.
func follow(n *Node, row []float64) *Node {
	for n.Left != nil {
		v := row[n.Feature]
		left := false
		switch missing := v != v && n.MissingType != "None" || isZero(v) && n.MissingType == "Zero"; {
		case n.Categories != nil:
			left = v > -1 && slices.Contains(n.Categories, int(v))
		case missing:
			left = n.DefaultLeft
		case v != v:
			left = 0 <= n.Threshold
		default:
			left = v <= n.Threshold
		}
		if left {
			n = n.Left
		} else {
			n = n.Right
		}
	}
	return n
}

// TestTreeNodes: going down the nodes ends in the leaf that LeafIndex gives, for every row and tree.
func TestTreeNodes(t *testing.T) {
	for _, name := range []string{"obj_multiclass", "var_cat_many", "var_cat_onehot", "var_missing_nan", "var_zero_as_missing", "var_linear_tree_missing"} {
		f := openFixture(t, name)
		m, err := OpenText(filepath.Join(f.ModelDir(), "model.txt"))
		must(t, err)
		width, n := m.NumFeatures(), m.NumTrees()
		leafs := make([]int, f.rows*n)
		must(t, m.LeafIndex(leafs, f.x, PredictOptions{}))
		for k := range n {
			root, err := m.Tree(k)
			must(t, err)
			for r := range f.rows {
				row := f.x[r*width : (r+1)*width]
				leaf := follow(root, row)
				if leaf.Index != leafs[r*n+k] {
					t.Fatalf("%s: tree %d, row %d: leaf %d, want %d", name, k, r, leaf.Index, leafs[r*n+k])
				}
				if want := m.trees[k].output(int32(leaf.Index), row); leafOutput(leaf, row) != want {
					t.Fatalf("%s: tree %d, row %d: output %v, want %v", name, k, r, leafOutput(leaf, row), want)
				}
			}
		}
	}
}

func leafOutput(n *Node, row []float64) float64 {
	if n.Linear == nil {
		return n.Value
	}
	sum := n.Linear.Const
	for i, f := range n.Linear.Features {
		if row[f] != row[f] {
			return n.Value
		}
		sum += n.Linear.Coeff[i] * row[f]
	}
	return sum
}

func TestTree(t *testing.T) {
	m, _ := readSmall(t)
	root, err := m.Tree(0)
	must(t, err)
	leaf, split := root.Right.Left, root.Right
	if !math.IsNaN(leaf.Gain) || leaf.Value != -0.5 || leaf.Weight != 2 || leaf.Count != 5 || leaf.Index != 1 || leaf.Right != nil {
		t.Errorf("leaf %+v", *leaf)
	}
	if split.Index != 1 || split.MissingType != "NaN" || split.DefaultLeft || split.Gain != 3 || split.Value != 0.25 || split.Weight != 5 || split.Count != 11 {
		t.Errorf("split %+v", *split)
	}
	if root.Feature != 0 || root.Threshold != 0.5 || root.Categories != nil || root.MissingType != "None" {
		t.Errorf("root %+v", *root)
	}
	if root, err = m.Tree(1); err != nil || !reflect.DeepEqual(root.Categories, []int{0, 2, 5}) {
		t.Errorf("categories %v, %v", root.Categories, err)
	}
	if root, err = m.Tree(2); err != nil || !reflect.DeepEqual(root.Left.Linear, &LinearLeaf{0.5, []int{0, 2}, []float64{2, -1}}) {
		t.Errorf("linear leaf %+v, %v", root.Left.Linear, err)
	}
	for _, i := range []int{-1, 3} {
		if _, err := m.Tree(i); err == nil {
			t.Errorf("there is a tree %d", i)
		}
	}
}

// TestTreeBare: a file may lack all that predictions do not need.
func TestTreeBare(t *testing.T) {
	m, err := OpenText(filepath.Join(openFixture(t, "var_constant").ModelDir(), "model.txt"))
	must(t, err)
	if root, err := m.Tree(0); err != nil || root.Left != nil || root.Count < 1 {
		t.Errorf("constant tree %+v, %v", root, err)
	}
	bare := *m.trees[0]
	bare.leafCount, bare.leafWeight = nil, nil
	if root, err := (&Model{trees: []*tree{&bare}}).Tree(0); err != nil || root.Count != -1 || !math.IsNaN(root.Weight) {
		t.Errorf("bare tree %+v, %v", root, err)
	}
	if _, err := new(Model).Tree(0); err == nil {
		t.Error("a model without trees has one")
	}
}
