// Hanji runs, trains and measures machine-learning papers from one program.
//
//	hanji --help
//
// Every command is one file of this package and a thin call into one package of the module,
// so that whatever the program does a Go program can do without it. Data goes to standard
// output, messages and progress to standard error.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes. Scripts may rely on them.
const (
	exitFailed      = 1   // the work failed
	exitUsage       = 2   // the command line was wrong; nothing was done
	exitInterrupted = 130 // Ctrl-C, as shells count it: 128 + SIGINT
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first Ctrl-C asks the work to save and stop; a second one ends the program.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process. It returns the exit code; all errors of all
// commands are printed here and nowhere else.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCmd()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	var began bool
	noteStart(root, &began)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case !began || errors.As(err, &usage):
		fmt.Fprintf(stderr, "hanji: %v\nrun '%s --help' for its use\n", err, cmd.CommandPath())
		return exitUsage
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(stderr, "hanji: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(stderr, "hanji: %v\n", err)
	return exitFailed
}

// noteStart makes every command below cmd set began before its work: an error that comes
// earlier is cobra's about flags and arguments, whatever its type.
func noteStart(cmd *cobra.Command, began *bool) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			*began = true
			return work(cmd, args)
		}
	}
	for _, c := range cmd.Commands() {
		noteStart(c, began)
	}
}
