package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError is a mistake in the command line, found before any work began.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef makes a usageError; a command's RunE may return one for flags that contradict each other.
func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// takes checks the number of a command's arguments: takes(1, 1, "a file").
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s", cmd.Name(), what)
		case len(args) > most && most == 0:
			return usagef("%s takes no argument, got %q", cmd.Name(), args[0])
		case len(args) > most:
			return usagef("%s takes %s; %q is one too many", cmd.Name(), what, args[most])
		}
		return nil
	}
}

// unknownCommand refuses the arguments of a command that only holds others.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%q is no command of %s%s", args[0], cmd.CommandPath(), didYouMean(cmd.SuggestionsFor(args[0])))
}

// flagError turns pflag's complaint into a usageError, with the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) {
		return &usageError{err}
	}
	var near []string
	typed := strings.TrimLeft(missing.GetSpecifiedName(), "-")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && len(typed) > 1 && (distance(typed, f.Name) <= 2 || strings.HasPrefix(f.Name, typed)) {
			near = append(near, "--"+f.Name)
		}
	})
	return usagef("%w%s", err, didYouMean(near))
}

func didYouMean(near []string) string {
	if len(near) == 0 {
		return ""
	}
	slices.Sort(near)
	return ". Did you mean " + strings.Join(near, " or ") + "?"
}

// distance is Levenshtein's: the fewest insertions, deletions and replacements from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
