package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/hanji-ml/hanji/gbdt"
	"github.com/hanji-ml/hanji/internal/progress"
)

// boostTrain is task=train (Application::Train); it gives the metrics of the training. Validation sets are called valid_1,
// valid_2, … whatever their files.
func boostTrain(ctx context.Context, o gbdt.Options, log *boostLog) (gbdt.History, error) {
	begun := time.Now()
	o.AsCommand = true
	if o.InputModel != "" {
		m, err := gbdt.OpenText(o.InputModel)
		if err != nil {
			return nil, err
		}
		o.InitModel = m
		log.info("Going on from %s with %d iterations", o.InputModel, m.NumIterations())
	}
	train, err := openBoostData(ctx, &o, log)
	if err != nil {
		return nil, err
	}
	log.info("Finished loading data in %s seconds", since(begun))
	log.info("Number of data points in the train set: %d, number of used features: %d", train.NumRows(), usedFeatures(train))
	for _, line := range train.Doubts(o) {
		log.warn("%s", line)
	}
	if o.EarlyStoppingRound > 0 && len(o.Validation) == 0 {
		log.warn("early_stopping_round=%d does nothing without valid", o.EarlyStoppingRound)
	}
	debug.SetGCPercent(trainGCPercent())
	log.info("Started training...")
	run := &boostRun{o: &o, log: log, begun: time.Now()}
	o.OnIter = run.iteration
	log.begin("boost", "rounds", o.NumIterations)
	defer log.end()
	m, err := gbdt.Train(ctx, train, o)
	if err != nil {
		return nil, err
	}
	switch {
	case m.BestIteration > 0:
		log.info("Early stopping at iteration %d, the best iteration round is %d", run.last, run.last-o.EarlyStoppingRound)
	case run.last < o.NumIterations:
		log.warn("Stopped training because there are no more leaves that meet the split requirements")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := m.SaveText(o.OutputModel); err != nil {
		return nil, err
	}
	if o.Checkpoint != "" {
		if err := os.Remove(o.Checkpoint); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if o.ConvertModelLanguage != "" {
		if err := writeSource(m, o); err != nil {
			return nil, err
		}
	}
	log.end()
	log.info("Finished training")
	return run.history, nil
}

// boostSaveBinary is task=save_binary: data and valid as they are after binning.
func boostSaveBinary(ctx context.Context, o gbdt.Options, log *boostLog) error {
	begun := time.Now()
	o.SaveBinary, o.IsProvideTrainingMetric = true, false
	train, err := openBoostData(ctx, &o, log)
	if err != nil {
		return err
	}
	log.info("Finished loading data in %s seconds", since(begun))
	log.info("Number of data points in the train set: %d, number of used features: %d", train.NumRows(), usedFeatures(train))
	log.info("Save data as binary finished, exit.")
	return nil
}

// openBoostData reads and bins the training data and adds the validation sets to the options; with save_binary it saves
// them.
func openBoostData(ctx context.Context, o *gbdt.Options, log *boostLog) (*gbdt.Dataset, error) {
	train, err := gbdt.OpenDataset(o.Data, *o)
	if err != nil {
		return nil, err
	}
	for _, line := range train.OtherBinning(*o) {
		log.warn("%s is saved data: %s is ignored", o.Data, line)
	}
	if err := saveBinary(train, o, o.Data, log); err != nil {
		return nil, err
	}
	if o.IsProvideTrainingMetric {
		o.Validation = append(o.Validation, gbdt.Validation{Name: "training", Data: train})
	}
	for i, file := range o.Valid {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		valid, err := train.OpenValid(file, *o)
		if err != nil {
			return nil, err
		}
		if err := saveBinary(valid, o, file, log); err != nil {
			return nil, err
		}
		o.Validation = append(o.Validation, gbdt.Validation{Name: "valid_" + strconv.Itoa(i+1), Data: valid})
	}
	return train, nil
}

// saveBinary saves a data set where save_binary asks for it, beside its file.
func saveBinary(ds *gbdt.Dataset, o *gbdt.Options, file string, log *boostLog) error {
	if !o.SaveBinary {
		return nil
	}
	log.info("Saving data to binary file %s.bin", file)
	return ds.Save(file + ".bin")
}

func usedFeatures(ds *gbdt.Dataset) int {
	n := 0
	for i := range ds.NumFeatures() {
		if ds.NumBins(i) > 0 {
			n++
		}
	}
	return n
}

// boostRun reports a training and saves its snapshots.
type boostRun struct {
	o     *gbdt.Options
	log   *boostLog
	begun time.Time
	last  int // iteration reported last

	history gbdt.History
}

func (r *boostRun) iteration(it gbdt.Iteration) error {
	if r.last == 0 && it.N > 1 {
		r.log.info("Going on from checkpoint %s after iteration %d", r.o.Checkpoint, it.N-1)
	}
	r.last = it.N
	r.history.Add(it.N, it.Results...)
	if it.N%r.o.MetricFreq == 0 {
		for _, v := range it.Results {
			r.log.info("Iteration:%d, %s %s : %s", it.N, v.Set, v.Metric, strconv.FormatFloat(v.Value, 'g', 6, 64))
		}
	}
	if r.log.bar == nil {
		r.log.info("%s seconds elapsed, finished iteration %d", since(r.begun), it.N)
	} else {
		var fields []progress.Field
		for _, v := range it.Results {
			if v.Set != it.Results[len(it.Results)-1].Set {
				continue // a line has room for one set
			}
			fields = append(fields, progress.Field{Name: v.Set + " " + v.Metric, Value: strconv.FormatFloat(v.Value, 'g', 6, 64)})
		}
		r.log.bar.Set(it.N, fields...)
	}
	if r.o.SnapshotFreq > 0 && it.N%r.o.SnapshotFreq == 0 {
		return it.Model().SaveText(fmt.Sprintf("%s.snapshot_iter_%d", r.o.OutputModel, it.N))
	}
	return nil
}
