package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/format"
)

// choose finds the kind of the column and how to make its values from the stored ones.
func (c *parquetColumn) choose(p physical) error {
	e := c.elem
	switch logical := e.LogicalType.Value.(type) {
	case *format.DecimalType:
		return c.decimal(p, int(logical.Scale))
	case *format.DateType:
		return c.date(p)
	case *format.TimestampType:
		unit, err := unitOf(logical.Unit)
		if err != nil {
			return err
		}
		return c.timestamp(p, unit, logical.IsAdjustedToUTC)
	case *format.TimeType:
		unit, err := unitOf(logical.Unit)
		if err != nil {
			return err
		}
		return c.timeOfDay(p, unit)
	case *format.IntType:
		return c.integer(p, logical.IsSigned)
	case *format.UUIDType:
		return c.uuid(p)
	case *format.Float16Type:
		return c.float16(p)
	}
	if !e.ConvertedType.Valid {
		return c.physical(p)
	}
	switch e.ConvertedType.V {
	case deprecated.Decimal:
		return c.decimal(p, int(e.Scale.V))
	case deprecated.Date:
		return c.date(p)
	case deprecated.TimeMillis:
		return c.timeOfDay(p, 1e3)
	case deprecated.TimeMicros:
		return c.timeOfDay(p, 1e6)
	case deprecated.TimestampMillis:
		return c.timestamp(p, 1e3, true)
	case deprecated.TimestampMicros:
		return c.timestamp(p, 1e6, true)
	case deprecated.Uint8, deprecated.Uint16, deprecated.Uint32, deprecated.Uint64:
		return c.integer(p, false)
	case deprecated.Interval:
		return errors.New("intervals are not supported; name the columns to read")
	}
	return c.physical(p)
}

var errLogical = errors.New("its logical type does not go with the stored one; the file is damaged")

// unitOf is the number of units in a second.
func unitOf(u format.TimeUnit) (int64, error) {
	switch u.Value.(type) {
	case *format.MilliSeconds:
		return 1e3, nil
	case *format.MicroSeconds:
		return 1e6, nil
	case *format.NanoSeconds:
		return 1e9, nil
	}
	return 0, errLogical
}

// physical reads stored values without a logical type.
func (c *parquetColumn) physical(p physical) error {
	switch p.kind {
	case format.Boolean:
		c.out.Kind = Bool
		c.add = func(v *values, i int) error { c.out.Bools = append(c.out.Bools, v.ints[i] != 0); return nil }
	case format.Int32, format.Int64:
		return c.integer(p, true)
	case format.Float, format.Double:
		c.out.Kind = Float
		c.add = func(v *values, i int) error { c.out.Floats = append(c.out.Floats, v.floats[i]); return nil }
	case format.Int96:
		c.int96()
	case format.ByteArray, format.FixedLenByteArray:
		c.strings(func(b []byte) []byte { return b })
	default:
		return errors.New("values of an unknown type")
	}
	return nil
}

// strings makes a String column of the texts that text makes.
func (c *parquetColumn) strings(text func([]byte) []byte) {
	c.out.Kind = String
	c.add = func(v *values, i int) error {
		raw := text(v.bytes[i])
		// One long dictionary entry can stand in many rows; that its text is shared does not make it quick to compare.
		if c.text += int64(len(raw)); c.text > c.o.MaxBytes {
			return errTooBig
		}
		c.b.addString(raw)
		c.out.Strings = append(c.out.Strings, c.b.last)
		c.b.col.Strings = c.b.col.Strings[:0]
		return nil
	}
}

// integer reads integers of any width; narrow ones are stored in 32 bits with their value.
func (c *parquetColumn) integer(p physical, signed bool) error {
	if p.kind != format.Int32 && p.kind != format.Int64 {
		return errLogical
	}
	c.out.Kind = Int
	c.add = func(v *values, i int) error {
		x := v.ints[i]
		if !signed && p.kind == format.Int32 {
			x = int64(uint32(x))
		}
		if !signed && x < 0 {
			return fmt.Errorf("row %d: %d does not fit 63 bits", c.n+1, uint64(x))
		}
		c.out.Ints = append(c.out.Ints, x)
		return nil
	}
	return nil
}

func (c *parquetColumn) decimal(p physical, scale int) error {
	if scale < 0 || scale > 300 {
		return errLogical
	}
	c.out.Kind = Float
	switch p.kind {
	case format.Int32, format.Int64:
		c.add = func(v *values, i int) error {
			x := v.ints[i]
			n := number{mant: uint64(max(x, -x)), exp: -scale, neg: x < 0}
			if scale > 19 || x == math.MinInt64 {
				c.out.Floats = append(c.out.Floats, float64(x)/math.Pow10(scale))
				return nil
			}
			c.out.Floats = append(c.out.Floats, n.float64(nil, '.'))
			return nil
		}
	case format.ByteArray, format.FixedLenByteArray:
		if p.width > 64 {
			return errors.New("decimals of more than 64 bytes")
		}
		c.add = func(v *values, i int) error {
			f, err := bigDecimal(v.bytes[i], scale)
			c.out.Floats = append(c.out.Floats, f)
			return err
		}
	default:
		return errLogical
	}
	return nil
}

// bigDecimal is a two's complement number, big-endian, over 10^scale.
func bigDecimal(b []byte, scale int) (float64, error) {
	if len(b) > 64 {
		return 0, errors.New("a decimal of more than 64 bytes")
	}
	x := new(big.Int).SetBytes(b)
	if len(b) > 0 && b[0] >= 0x80 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	f, _ := new(big.Rat).SetFrac(x, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)).Float64()
	return f, nil
}

func (c *parquetColumn) pushTime(t time.Time, ok bool) error {
	if !ok {
		return fmt.Errorf("row %d: a time outside the years 0 to 9999", c.n+1)
	}
	c.out.Times = append(c.out.Times, t)
	return nil
}

func (c *parquetColumn) date(p physical) error {
	if p.kind != format.Int32 {
		return errLogical
	}
	c.out.Kind, c.out.Layout = Time, "2006-01-02"
	loc := c.o.Location
	c.add = func(v *values, i int) error {
		t, ok := unixTime(v.ints[i]*86400, 0, nil)
		return c.pushTime(inZone(t, loc), ok)
	}
	return nil
}

// inZone is the time that clocks in loc showed as those of UTC showed t.
func inZone(t time.Time, loc *time.Location) time.Time {
	if loc == nil {
		return t
	}
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
}

// timestamp reads times in units of 1/unit seconds: instants, or readings of a clock in an unnamed zone.
func (c *parquetColumn) timestamp(p physical, unit int64, instant bool) error {
	if p.kind != format.Int64 {
		return errLogical
	}
	order := map[int64]dateOrder{1e3: orderUnixMilli, 1e6: orderUnixMicro, 1e9: orderUnixNano}[unit]
	c.out.Kind = Time
	loc := c.o.Location
	shown := loc
	if shown == nil {
		shown = c.zone
	}
	c.add = func(v *values, i int) error {
		if instant {
			return c.pushTime(unixParts(v.ints[i], order, shown))
		}
		t, ok := unixParts(v.ints[i], order, nil)
		return c.pushTime(inZone(t, loc), ok)
	}
	return nil
}

// int96 reads the times of old Hive and Impala: nanoseconds of the day and the Julian day.
func (c *parquetColumn) int96() {
	c.out.Kind = Time
	loc := c.o.Location
	c.add = func(v *values, i int) error {
		const epoch = 2440588 // Julian day of 1970-01-01
		b := v.bytes[i]
		nanos := binary.LittleEndian.Uint64(b)
		day := int64(binary.LittleEndian.Uint32(b[8:])) - epoch
		if nanos >= 86400e9 {
			return fmt.Errorf("row %d: a time past the end of its day", c.n+1)
		}
		return c.pushTime(unixTime(day*86400+int64(nanos/1e9), int64(nanos%1e9), loc))
	}
}

// timeOfDay makes text of times that have no date.
func (c *parquetColumn) timeOfDay(p physical, unit int64) error {
	if p.kind != format.Int32 && p.kind != format.Int64 {
		return errLogical
	}
	c.strings(func(b []byte) []byte { return b })
	addText := c.add
	var v values
	layout := "15:04:05." + strings.Repeat("0", map[int64]int{1e3: 3, 1e6: 6, 1e9: 9}[unit])
	c.add = func(stored *values, i int) error {
		x := stored.ints[i]
		if x < 0 || x >= 86400*unit {
			return fmt.Errorf("row %d: a time past the end of its day", c.n+1)
		}
		v.bytes = append(v.bytes[:0], time.Unix(x/unit, x%unit*(1e9/unit)).UTC().AppendFormat(nil, layout))
		return addText(&v, 0)
	}
	return nil
}

func (c *parquetColumn) uuid(p physical) error {
	if p.kind != format.FixedLenByteArray || p.width != 16 {
		return errLogical
	}
	c.strings(func(b []byte) []byte {
		return fmt.Appendf(nil, "%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
	})
	return nil
}

func (c *parquetColumn) float16(p physical) error {
	if p.kind != format.FixedLenByteArray || p.width != 2 {
		return errLogical
	}
	c.out.Kind = Float
	c.add = func(v *values, i int) error {
		c.out.Floats = append(c.out.Floats, halfFloat(binary.LittleEndian.Uint16(v.bytes[i])))
		return nil
	}
	return nil
}

// halfFloat is the value of IEEE binary16 bits.
func halfFloat(h uint16) float64 {
	exp, frac := int(h>>10&31), float64(h&1023)
	var f float64
	switch exp {
	case 0:
		f = math.Ldexp(frac, -24)
	case 31:
		if f = math.Inf(1); frac != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(frac+1024, exp-25)
	}
	if h>>15 == 1 {
		return -f
	}
	return f
}
