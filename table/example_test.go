package table_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/hanji-ml/hanji/table"
)

func Example() {
	// Semicolons, decimal commas, day before month, a gap: all found from the content.
	in := "Datum;Ort;Wert\n13.07.2016 00:00;Köln;1,5\n13.07.2016 01:00;Köln;\n13.07.2016 02:00;Köln;2,25\n"
	t, err := table.Read(strings.NewReader(in), "werte.csv", table.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		fmt.Printf("%s %s %d %q\n", c.Name, c.Kind, c.CountMissing(), c.Layout)
	}
	fmt.Println(t.Column("Wert").Floats, t.Where(2))
	table.WriteJSONL(os.Stdout, t)
	// Output:
	// Datum time 0 "02.01.2006 15:04"
	// Ort string 0 ""
	// Wert float 1 ""
	// [1.5 NaN 2.25] werte.csv:4
	// {"Datum":"13.07.2016 00:00","Ort":"Köln","Wert":1.5}
	// {"Datum":"13.07.2016 01:00","Ort":"Köln","Wert":null}
	// {"Datum":"13.07.2016 02:00","Ort":"Köln","Wert":2.25}
}

func ExampleRead_error() {
	in := "date,OT\n2016-07-01,1.5\n2016-07-02,abc\n"
	_, err := table.Read(strings.NewReader(in), "sales.csv", table.Options{Types: map[string]table.Kind{"OT": table.Float}})
	fmt.Println(err)
	// Output:
	// table: sales.csv:3: column "OT": "abc" is not a number; fix the cell or give --missing abc
}
