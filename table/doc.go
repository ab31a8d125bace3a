// Package table reads and writes tables: named columns of integers, numbers, truth values, times and text, from CSV and
// TSV, JSON lines and Parquet, plain or compressed with gzip or zstd.
//
//	t, err := table.Open("sales.csv", table.Options{})
//	ot, err := t.Column("OT").AsFloats()
//
// The format, compression, separator, decimal mark, header, kind of each column and form of its times are found from
// the content; the file name never decides. What was read remembers its lines, so that whoever finds something wrong
// with row i can say where it is: t.Where(i) is "sales.csv:4812".
//
// The package knows nothing of series, targets or features, fills no gaps and converts no units: a table says what the
// file says. All of a table is in memory; Options bounds what one file may cost.
package table
