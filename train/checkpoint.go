package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"

	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/safetensors"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/weights"
)

// CheckpointFile is the one file that a run keeps in its folder: parameters, optimiser state, the best parameters so
// far and the run's counters. It is replaced whole, so it is always that of some finished step.
const CheckpointFile = "checkpoint.safetensors"

const (
	paramPrefix = "param/"
	optPrefix   = "optimizer/"
	bestPrefix  = "best/"
	runKey      = "hanji.train"
)

// identity is what must agree between a checkpoint and the run that resumes it.
func identity(task Task, o Options) string {
	o.Log, o.Out, o.Resume, o.CheckpointEvery = nil, "", false, 0
	b, _ := json.Marshal(o)
	h := sha256.New()
	h.Write(b)
	fmt.Fprintf(h, "/%d", task.StepsPerEpoch())
	for _, p := range task.Params() {
		fmt.Fprintf(h, "/%s%v", p.Name, p.Tensor.Shape())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// groups are the tensors of a checkpoint by prefix.
func (r *run) groups() map[string][]nn.Param {
	g := map[string][]nn.Param{paramPrefix: r.task.Params(), optPrefix: r.opt.State()}
	for i, p := range r.task.Params() {
		if r.best != nil {
			g[bestPrefix] = append(g[bestPrefix], nn.Param{Name: p.Name, Tensor: r.best[i]})
		}
	}
	return g
}

func (r *run) save() error {
	if r.o.Out == "" {
		return nil
	}
	r.Opt = r.opt.Steps()
	state := *r
	if math.IsInf(state.Best, 0) {
		state.Best = math.MaxFloat64 // JSON has no infinity
	}
	b, err := json.Marshal(&state)
	if err != nil {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	var list []safetensors.Tensor
	for prefix, params := range r.groups() {
		list = append(list, weights.Tensors(params, tensor.F32, func(n string) string { return prefix + n })...)
	}
	path := filepath.Join(r.o.Out, CheckpointFile)
	if err := safetensors.Write(path, list, map[string]string{runKey: string(b)}); err != nil {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	r.log(Event{Kind: "checkpoint", Checkpoint: path})
	return nil
}

// resume loads the checkpoint of Out. Without Resume a folder that has one is left alone, with an error.
func (r *run) resume() error {
	path := filepath.Join(r.o.Out, CheckpointFile)
	f, err := safetensors.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("train: %w; move the file away to start over", err)
	}
	defer f.Close()
	if !r.o.Resume {
		return fmt.Errorf("train: %s exists; go on with --resume, or give another --out", path)
	}
	var saved run
	if err := json.Unmarshal([]byte(f.Metadata()[runKey]), &saved); err != nil {
		return fmt.Errorf("train: %s: not a checkpoint of a run: %w", path, err)
	}
	if saved.Identity != r.Identity {
		return fmt.Errorf("train: %s was made with other options or another model; give the same ones, or another --out", path)
	}
	if saved.BestEpoch >= 0 {
		r.keepBest()
	}
	for prefix, params := range r.groups() {
		if err := load(f, prefix, params); err != nil {
			return fmt.Errorf("train: %s: %w", path, err)
		}
	}
	r.Step, r.Best, r.BestEpoch, r.History, r.Loss = saved.Step, saved.Best, saved.BestEpoch, saved.History, saved.Loss
	r.Finished, r.Stopped = saved.Finished, saved.Stopped
	if r.BestEpoch < 0 {
		r.Best = math.Inf(1)
	}
	r.opt.SetSteps(saved.Opt)
	r.from = r.Step
	r.log(Event{Kind: "resumed", Total: r.total(), Checkpoint: path})
	return nil
}

func load(f *safetensors.File, prefix string, params []nn.Param) error {
	names := strings.TrimSuffix(prefix, "/")
	for _, p := range params {
		t, ok := f.Tensor(prefix + p.Name)
		if !ok {
			return fmt.Errorf("%s %q is missing", names, p.Name)
		}
		if fmt.Sprint(t.Shape) != fmt.Sprint(p.Tensor.Shape()) {
			return fmt.Errorf("%s %q is %v, want %v", names, p.Name, t.Shape, p.Tensor.Shape())
		}
		if err := weights.Set(p.Tensor, t); err != nil {
			return err
		}
	}
	return nil
}
