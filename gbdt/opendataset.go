package gbdt

import (
	"errors"
	"fmt"
	"reflect"
)

// OpenDataset reads and bins training data from a file: text or Parquet as [OpenData] does, or a data set that
// [Dataset.Save] wrote, told by its content. What a saved one was binned with stays.
//
// CSV, TSV and LibSVM are read piece by piece, so that they may be larger than memory; what else there is is read as a
// whole, unless Options.TwoRound forbids it. The bins are the same either way. Values of columns are not kept but for
// Options.LinearTree; what Options.InitModel makes of them is.
func OpenDataset(path string, o Options) (*Dataset, error) {
	if ds, err := openSaved(path); ds != nil || err != nil {
		return ds, err
	}
	if ds, err := streamDataset(path, o); !errors.Is(err, errNoText) || o.TwoRound {
		return ds, err
	}
	d, err := OpenData(path, o)
	if err != nil {
		return nil, err
	}
	d.FreeRaw = o.InitModel == nil
	ds, err := NewDataset(d, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ds, nil
}

// OpenValid reads a file as [OpenDataset] does and bins it with the bins of this data set. A saved one must have these
// already.
func (ds *Dataset) OpenValid(path string, o Options) (*Dataset, error) {
	v, err := openSaved(path)
	switch {
	case err != nil:
		return nil, err
	case v != nil && !reflect.DeepEqual(v.mappers, ds.mappers):
		return nil, fmt.Errorf("gbdt: %s was saved with other bins than those of the training data: save both together", path)
	case v != nil:
		v.mappers, v.names = ds.mappers, ds.names // validation sets are told by the mappers that they share
		return v, nil
	}
	if v, err := ds.streamValid(path, o); !errors.Is(err, errNoText) || o.TwoRound {
		return v, err
	}
	d, err := OpenData(path, o)
	if err != nil {
		return nil, err
	}
	d.FreeRaw = o.InitModel == nil
	if v, err = ds.NewValid(d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// OtherBinning names the parameters of binning that were set in o to other values than this data set was binned with;
// training ignores them. Only one that was saved can have any.
func (ds *Dataset) OtherBinning(o Options) []string {
	var out []string
	for _, name := range binningParameters {
		p := paramByName(name)
		if was := p.text(&ds.options); o.given[name] && p.text(&o) != was {
			out = append(out, fmt.Sprintf("%s=%s (binned with %s)", name, clip(p.text(&o)), clip(was)))
		}
	}
	return out
}
