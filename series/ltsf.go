package series

import (
	"fmt"
	"strings"
)

// Split is a benchmark's division of the rows. Val and Test begin one context early, so that their first target is the
// first row of their own: the number of windows of a part is Len − context − horizon + 1.
type Split struct{ Train, Val, Test Range }

// LTSFProtocols are the names [LTSFSplit] knows.
func LTSFProtocols() []string { return []string{"ett-hour", "ett-minute", "ltsf"} }

// ettMonth are the hours of a month of 30 days, the unit of the ETT splits (12, 4 and 4 months).
const ettMonth = 30 * 24

// LTSFSplit divides rows the way the long-term forecasting benchmarks do (Informer; yuqinie98/PatchTST:
// data_provider/data_loader.py), for models that look back context steps:
//
//	ett-hour    train [0, 8640), val [8640−L, 11520), test [11520−L, 14400); later rows are not used
//	ett-minute  the same in steps of a quarter of an hour: ×4
//	ltsf        70 / 10 / 20 % of the rows, train and test rounded down, what is left is val
//
// Scalers are fitted on Train. An unknown protocol and too few rows are errors.
func LTSFSplit(protocol string, rows, context int) (Split, error) {
	if context < 0 || rows < 0 {
		return Split{}, fmt.Errorf("series: %s: %d rows, context %d: want neither below 0", protocol, rows, context)
	}
	var train, val, end int // rows of train, val and test together
	switch protocol {
	case "ett-hour":
		train, val, end = 12*ettMonth, 16*ettMonth, 20*ettMonth
	case "ett-minute":
		train, val, end = 4*12*ettMonth, 4*16*ettMonth, 4*20*ettMonth
	case "ltsf":
		train, end = int(float64(rows)*0.7), rows
		val = rows - int(float64(rows)*0.2)
	default:
		return Split{}, fmt.Errorf("series: no protocol %q; there are %s", clipText(protocol), strings.Join(LTSFProtocols(), ", "))
	}
	if rows < end {
		return Split{}, fmt.Errorf("series: protocol %s needs %d rows, the data has %d; is it the right file?", protocol, end, rows)
	}
	if context > train {
		return Split{}, fmt.Errorf("series: protocol %s: a context of %d is longer than the %d rows for training", protocol, context, train)
	}
	return Split{Range{0, train}, Range{train - context, val}, Range{val - context, end}}, nil
}
