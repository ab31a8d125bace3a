package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/forecast/embedded"
	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/serve"
)

type serveFlags struct {
	serve.Options
	engine generate.EngineOptions

	addr, kvType, template, keyFile string
	lora, prefixDir                 string
	pull                            bool
	cert, key                       string
	aliases                         []string
	cacheTokens                     int
}

func newServeCmd(g *globals) *cobra.Command {
	o := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve MODEL...",
		Short: "Serve language models over HTTP, as OpenAI's and Anthropic's APIs",
		Long: `Each MODEL is a GGUF file or the folder of a checkpoint, which requests name by its base name; or a name that 'hanji models'
lists, or OWNER/NAME[:TAG] of the Hugging Face hub, once pulled. Answers /v1/chat/completions, /v1/completions, /v1/responses,
/v1/embeddings, /v1/models, /v1/messages, /v1/forecast, /tokenize, /detokenize, /apply-template, /health, /metrics, and a page
to talk to the model at /.

Only this machine can connect unless --addr says otherwise; keys come by --api-key-file or HANJI_API_KEYS (with commas). Ctrl-C
or SIGTERM takes nothing new and lets running answers end.`,
		Example: `  hanji serve model.gguf
  hanji serve chat.gguf embed-folder --alias gpt-4o=chat --ctx 4096 --slots 16
  HANJI_API_KEYS=a-long-secret hanji serve model.gguf --addr 0.0.0.0:8443 --host llm.example.org --tls-cert cert.pem --tls-key key.pem`,
		Args: takes(1, 64, "MODEL..."),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, g, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "address and port to listen on; port 0 is any free one")
	f.StringArrayVar(&o.aliases, "alias", nil, "`NAME=MODEL`: one more name for a model; NAME alone where there is one (repeatable)")
	f.StringSliceVar(&o.Hosts, "host", nil, "name that clients may call this server by, beside its addresses and localhost; * is any (repeatable)")
	f.StringSliceVar(&o.Origins, "cors", nil, "`origin` whose pages may call, as https://example.org; * is any (repeatable)")
	f.StringArrayVar(&o.Keys, "api-key", nil, "key that opens the server (repeatable); other users of this machine can see it: --api-key-file is better")
	f.StringVar(&o.keyFile, "api-key-file", "", "file with a key on each line; # begins a comment")
	f.StringVar(&o.cert, "tls-cert", "", "certificate, PEM; with --tls-key")
	f.StringVar(&o.key, "tls-key", "", "its private key, PEM")
	f.StringVar(&o.template, "template", "", "chat template in place of the models': "+strings.Join(chat.Builtins(), ", "))
	f.StringVar(&o.lora, "lora", "", "adapter that is added to the model, where there is one: a folder in peft's layout, or a GGUF file")
	f.BoolVar(&o.pull, "pull", false, "pull models first that have not been")
	f.IntVar(&o.engine.Context, "ctx", 0, "tokens of the longest prompt with its answer (default the model's context, at most 8192)")
	f.IntVar(&o.cacheTokens, "cache", 0, "room for keys and values, in tokens over all requests (default four times --ctx, at most 32768)")
	f.StringVar(&o.kvType, "kv-type", "f16", "type of cached keys and values: f16, q8_0 or f32")
	f.StringVar(&o.prefixDir, "prefix-dir", "", "`folder` where what was computed of long prompts is kept over a restart; it holds what users wrote")
	f.IntVar(&o.engine.Slots, "slots", 8, "answers of a model under way at once")
	f.IntVar(&o.engine.Queue, "queue", 64, "answers of a model that may wait for a slot; more are turned away with 429")
	f.IntVar(&o.MaxTokens, "max-tokens", 0, "longest answer that may be asked for (default what room there is)")
	f.IntVar(&o.MaxChoices, "max-choices", 16, "most answers to one request")
	f.Int64Var(&o.MaxBody, "max-body", 8<<20, "largest request, in bytes")
	f.IntVar(&o.MaxRequests, "max-requests", 256, "requests worked on or waiting at once; more are turned away with 429")
	f.IntVar(&o.MaxConnections, "max-connections", 1024, "open connections; more have to wait")
	f.DurationVar(&o.AnswerTime, "timeout", 0, "longest time for an answer (default 10m)")
	f.DurationVar(&o.DrainTime, "drain", 0, "time for running answers when the server is to stop (default 30s)")
	return cmd
}

func (o *serveFlags) run(cmd *cobra.Command, g *globals, models []string) error {
	config, err := o.check(models)
	if err != nil {
		return err
	}
	paths := make([]string, len(models))
	for i, m := range models {
		if paths[i], err = orPull(cmd, g, m, o.pull); err != nil {
			return err
		}
	}
	o.Log = g.logger(cmd.ErrOrStderr())
	say := func(format string, args ...any) {
		if !g.Quiet {
			fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
		}
	}
	short, err := embedded.New()
	if err != nil {
		return err
	}
	o.Forecaster = short
	s, err := serve.New(o.Options)
	if err != nil {
		return usagef("%v", err)
	}
	l, err := new(net.ListenConfig).Listen(cmd.Context(), "tcp", o.addr)
	if err != nil {
		return err
	}
	scheme := "http"
	if config != nil {
		l, scheme = tls.NewListener(l, config), "https"
	}
	if !loopback(l.Addr()) && len(o.Keys) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "WARNING: %s can be reached from other machines and asks for no key: whoever reaches it can use it. Give --api-key-file, or --addr 127.0.0.1:8080.\n", l.Addr())
	}
	say("listening on %s://%s, loading", scheme, l.Addr())
	ctx, stop := context.WithCancelCause(cmd.Context())
	defer stop(nil)
	loaded := make(chan func(), 1)
	go func() { // while requests are answered with 503
		list, free, err := o.load(names(models), paths)
		if err == nil {
			err = s.Use(list...)
		}
		if err != nil {
			stop(err)
		} else {
			say("ready: %s", strings.Join(names(models), ", "))
		}
		loaded <- free
	}()
	err = s.Serve(ctx, l)
	(<-loaded)() // not before the engines have stopped
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// check finds what is wrong before anything is opened.
func (o *serveFlags) check(models []string) (*tls.Config, error) {
	if (o.cert == "") != (o.key == "") {
		return nil, usagef("--tls-cert and --tls-key go together")
	}
	dt, err := kvType(o.kvType)
	if err != nil {
		return nil, err
	}
	o.engine.Cache = nn.CacheOptions{DType: dt, MaxTokens: o.cacheTokens}
	for _, n := range []struct {
		flag string
		v    int
	}{{"ctx", o.engine.Context}, {"cache", o.cacheTokens}, {"slots", o.engine.Slots - 1}, {"queue", o.engine.Queue}} {
		if n.v < 0 {
			return nil, usagef("--%s is out of range", n.flag)
		}
	}
	if o.engine.Queue == 0 {
		o.engine.Queue = -1 // the engine's word for none
	}
	if o.lora != "" && len(models) > 1 {
		return nil, usagef("--lora is for one model; serve the others apart")
	}
	seen := map[string]bool{}
	for _, n := range names(models) {
		if seen[n] {
			return nil, usagef("two models are called %q: rename a file, or serve them apart", n)
		}
		seen[n] = true
	}
	for _, a := range o.aliases {
		if name, of := alias(a, names(models)); name == "" || !seen[of] {
			return nil, usagef("--alias %s: want NAME=MODEL, MODEL one of %v", a, names(models))
		}
	}
	if err := o.readKeys(); err != nil {
		return nil, err
	}
	if err := o.Options.Validate(); err != nil {
		return nil, usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if o.cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// maxKeys bounds the file of keys.
const maxKeys = 1 << 20

func (o *serveFlags) readKeys() error {
	for key := range strings.SplitSeq(os.Getenv("HANJI_API_KEYS"), ",") {
		if key = strings.TrimSpace(key); key != "" {
			o.Keys = append(o.Keys, key)
		}
	}
	if o.keyFile == "" {
		return nil
	}
	f, err := os.Open(o.keyFile)
	if err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	defer f.Close()
	before := len(o.Keys)
	lines := bufio.NewScanner(io.LimitReader(f, maxKeys))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			o.Keys = append(o.Keys, line)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("--api-key-file %s: %w", o.keyFile, err)
	}
	if len(o.Keys) == before { // an empty file must not open the server
		return fmt.Errorf("--api-key-file %s holds no key", o.keyFile)
	}
	return nil
}

// names are the models' names of the hub, or base names without a GGUF file's ending.
func names(models []string) []string {
	list := make([]string, len(models))
	for i, p := range models {
		if _, ok := modelRef(p); ok {
			list[i] = p
			continue
		}
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		list[i] = strings.TrimSuffix(filepath.Base(p), ".gguf")
	}
	return list
}

// alias takes NAME=MODEL apart; without a MODEL it is the only one's.
func alias(text string, models []string) (name, of string) {
	name, of, ok := strings.Cut(text, "=")
	if !ok && len(models) == 1 {
		of = models[0]
	}
	return name, of
}

// load opens the models. free closes what was opened.
func (o *serveFlags) load(names, paths []string) (models []*serve.Model, free func(), err error) {
	var opened []*all.Language
	free = func() {
		for _, l := range opened {
			l.Close()
		}
	}
	for i, path := range paths {
		l, err := all.OpenLanguage(path)
		if err != nil {
			return nil, free, err
		}
		opened = append(opened, l)
		weights := []string{path}
		if o.lora != "" {
			weights = append(weights, o.lora)
			if err := l.AddLoRA(o.lora); err != nil {
				return nil, free, err
			}
		}
		if o.template != "" {
			if l.Template, err = chat.Builtin(o.template); err != nil {
				return nil, free, usagef("--template: %v", err)
			}
		}
		m := serve.ModelOptions{EngineOptions: o.engine}
		m.Context = cmp.Or(m.Context, min(l.Decoder.Spec().Context, 8192))
		if o.prefixDir != "" {
			m.PrefixDir = o.prefixDir
			if m.PrefixModel, err = all.Fingerprint(weights...); err != nil {
				return nil, free, err
			}
		}
		for _, a := range o.aliases {
			if name, of := alias(a, names); of == names[i] {
				m.Aliases = append(m.Aliases, name)
			}
		}
		made, err := serve.NewModel(names[i], l, m)
		if err != nil {
			return nil, free, fmt.Errorf("%s: %w", path, err)
		}
		models = append(models, made)
	}
	return models, free, nil
}

// loopback tells whether only this machine reaches an address.
func loopback(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}
