package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hanji-ml/hanji/hub"
	"github.com/hanji-ml/hanji/internal/progress"
)

// modelRef tells a model's name from a path: what lies on the disk is no name, and neither is what has a file's ending or more than
// one slash.
func modelRef(arg string) (hub.Ref, bool) {
	if _, err := os.Stat(arg); err == nil || arg == "" {
		return hub.Ref{}, false
	}
	if e, tag, ok := hub.Lookup(arg); ok {
		return e.Ref(tag), true
	}
	if slices.Contains([]string{".gguf", ".safetensors", ".json", ".model", ".txt", ".bin", ".pth", ".tiktoken"}, strings.ToLower(filepath.Ext(arg))) {
		return hub.Ref{}, false
	}
	r, err := hub.ParseRef(arg)
	return r, err == nil
}

// modelPath is where a command's MODEL lies: every command that takes one asks here.
func modelPath(arg string) (string, error) {
	r, ok := modelRef(arg)
	if !ok {
		return arg, unknownModel(arg)
	}
	h, err := hub.New(hub.FromEnv())
	if err != nil {
		return "", err
	}
	m, err := h.Use(r)
	if errors.Is(err, hub.ErrNotCached) {
		return "", fmt.Errorf("%s is no file or folder and has not been pulled: hanji pull %s", arg, arg)
	}
	return m.Path, err
}

// unknownModel complains of what can only be a misspelt name; of what looks like a path the reader of the file does.
func unknownModel(arg string) error {
	ending := strings.TrimLeft(filepath.Ext(arg), ".0123456789")
	if _, err := os.Stat(arg); err == nil || ending != "" || strings.ContainsAny(arg, `/\`) || arg == "" {
		return nil
	}
	var near []string
	for _, e := range hub.Catalogue() {
		if distance(arg, e.Name) <= 2 || strings.HasPrefix(e.Name, arg) {
			near = append(near, e.Name)
		}
	}
	return fmt.Errorf("%s: no such file or folder, and no name that 'hanji models' lists%s", arg, didYouMean(near))
}

// orPull is modelPath for a command that may pull what is not there: when told to, or when someone at a terminal says yes.
func orPull(cmd *cobra.Command, g *globals, arg string, told bool) (string, error) {
	path, err := modelPath(arg)
	r, ok := modelRef(arg)
	if err == nil || !ok {
		return path, err
	}
	h, errHub := hub.New(hub.FromEnv())
	if errHub != nil || h.Offline() || !told && !confirm(cmd, fmt.Sprintf("%s has not been pulled. Pull it now?", arg)) {
		return "", err
	}
	m, err := pullModel(cmd.Context(), cmd, g, h, r, nil)
	return m.Path, err
}

// confirm asks a question on a terminal; nobody there means no.
func confirm(cmd *cobra.Command, question string) bool {
	in, ok := cmd.InOrStdin().(*os.File)
	out, alsoOK := cmd.ErrOrStderr().(*os.File)
	if !ok || !alsoOK || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return false
	}
	fmt.Fprint(out, question, " [y/N] ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(line)))
}

// pullModel pulls with progress on standard error.
func pullModel(ctx context.Context, cmd *cobra.Command, g *globals, h *hub.Hub, r hub.Ref, globs []string) (hub.Model, error) {
	const mega = 1e6
	var bar *progress.Bar
	m, err := h.Pull(ctx, r, hub.PullOptions{Globs: globs, Progress: func(done, total int64) {
		if bar == nil {
			bar = progress.New(cmd.ErrOrStderr(), progress.Auto(os.Stderr, progress.Options{Title: "pull " + r.String(), Unit: "MB", Start: int(done / mega),
				Total: int(total / mega), Quiet: g.Quiet || total < mega}))
		}
		bar.Set(int(done / mega))
	}})
	if bar != nil {
		bar.Done()
	}
	return m, err
}
