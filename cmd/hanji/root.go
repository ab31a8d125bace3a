package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/internal/cpu"
	"github.com/hanji-ml/hanji/internal/par"
)

// globals are the flags that every command has.
type globals struct {
	Quiet    bool
	LogLevel string
	Verbose  bool
	Threads  int
	CPU      string
}

// newRootCmd gives the command tree: a new command is its file and a line here.
func newRootCmd() *cobra.Command {
	g := new(globals)
	root := &cobra.Command{
		Use:   "hanji",
		Short: "Machine-learning papers as one program: run, train, measure",
		Long: `hanji turns machine-learning papers into one program: each method runs on published
checkpoints, trains, and is measured against its paper's own numbers. No Python, nothing
else to install.

Data goes to standard output, messages and progress to standard error. Exit codes: 0 done,
1 the work failed, 2 the command line was wrong, 130 interrupted.`,
		Example: `  hanji forecast sales.csv
  hanji chat model.gguf -p "Why is the sky blue?"
  hanji serve model.gguf
  hanji inspect model.safetensors
  hanji train recipes/ttm-finetune.yaml --out runs/ttm --dry-run
  hanji version --json
  source <(hanji completion bash)`,
		Version:           buildVersion(),
		Args:              unknownCommand,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { findShared(); return g.apply() },
		SilenceUsage:      true, // errors are printed by run, in one place and one form
		SilenceErrors:     true,
	}
	// No templates of our own: text/template would make the linker keep every method of every type, 5 MB of them.
	root.SetFlagErrorFunc(flagError)
	root.SuggestionsMinimumDistance = 2
	f := root.PersistentFlags()
	f.BoolVarP(&g.Quiet, "quiet", "q", false, "no progress and no messages but errors")
	f.StringVar(&g.LogLevel, "log-level", "", "least serious message to show: debug, info, warn or error (default warn)")
	f.BoolVarP(&g.Verbose, "verbose", "v", false, "same as --log-level debug")
	f.IntVar(&g.Threads, "threads", 0, "worker threads (default all processors); results do not depend on it")
	f.StringVar(&g.CPU, "cpu", "", fmt.Sprintf("code path of the kernels, one of %v (default the first)", cpu.Paths()))
	root.AddCommand(
		newBenchCmd(),
		newBoostCmd(g),
		newChatCmd(g),
		newEvalCmd(g),
		newForecastCmd(g),
		newInspectCmd(g),
		newListCmd(),
		newMergeCmd(g),
		newModelsCmd(),
		newPullCmd(g),
		newQuantizeCmd(g),
		newReproduceCmd(g),
		newRmCmd(g),
		newServeCmd(g),
		newTokenizeCmd(g),
		newTrainCmd(g),
		newVersionCmd(),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // cobra's own prints its help for a shell it does not know
			c.Args = unknownCommand
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
	return root
}

// findShared lets recipes and reproduce find checkpoints and data sets in ../shared, the place beside the repository
// where tests look too, when HANJI_SHARED names no other.
func findShared() {
	const beside = "../shared"
	if info, err := os.Stat(filepath.Join(beside, "data")); err == nil && info.IsDir() && os.Getenv("HANJI_SHARED") == "" {
		os.Setenv("HANJI_SHARED", beside)
	}
}

// apply checks the values and sets what holds for the whole process, before a command begins its work.
func (g *globals) apply() error {
	if _, err := g.level(); err != nil {
		return err
	}
	if g.Threads < 0 {
		return usagef("--threads is %d, want 1 or more", g.Threads)
	}
	if g.Threads > 0 {
		par.SetThreads(g.Threads)
	}
	if g.CPU != "" {
		if _, err := cpu.Force(g.CPU); err != nil {
			return usagef("--cpu: this machine has no path %q, want one of %v", g.CPU, cpu.Paths())
		}
	}
	return nil
}

func (g *globals) level() (slog.Level, error) {
	switch {
	case g.Verbose && g.LogLevel != "":
		return 0, usagef("--verbose is --log-level debug; give one of them")
	case g.Verbose:
		return slog.LevelDebug, nil
	case g.LogLevel == "" && g.Quiet:
		return slog.LevelError, nil
	case g.LogLevel == "":
		return slog.LevelWarn, nil
	}
	var l slog.Level
	switch strings.ToLower(g.LogLevel) {
	case "debug", "info", "warn", "error":
		return l, l.UnmarshalText([]byte(g.LogLevel))
	}
	return l, usagef("--log-level is %q, want debug, info, warn or error", g.LogLevel)
}

// logger writes key=value lines to w, without the time: a terminal's reader knows it, and
// what collects logs adds its own.
func (g *globals) logger(w io.Writer) *slog.Logger {
	level, err := g.level()
	if err != nil { // apply has been here before
		panic(fmt.Sprintf("hanji: logger before apply: %v", err))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
