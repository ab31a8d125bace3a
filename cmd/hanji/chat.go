package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/hanji-ml/hanji/chat"
	"github.com/hanji-ml/hanji/generate"
	"github.com/hanji-ml/hanji/model/all"
	"github.com/hanji-ml/hanji/nn"
	"github.com/hanji-ml/hanji/tensor"
	"github.com/hanji-ml/hanji/tokenizer"
)

type chatFlags struct {
	generate.Options
	Prompt, System, Template string
	Ctx                      int
	KVType                   string
	Schema                   string
	LoRA                     string
	Session                  string
	JSON, Pull               bool
}

// maxPrompt bounds what is read as a prompt: no model reads more, and a pipe may never end.
const maxPrompt = 64 << 20

func newChatCmd(g *globals) *cobra.Command {
	o := &chatFlags{}
	cmd := &cobra.Command{
		Use:   "chat MODEL",
		Short: "Talk to a language model",
		Long: `MODEL is a GGUF file (Llama, Mistral, Mixtral, Qwen2, Qwen3, Gemma 3; F32, F16, BF16 and every block type) or the folder of a
checkpoint with config.json, safetensors and tokenizer; or a name that 'hanji models' lists, or OWNER/NAME[:TAG] of the Hugging
Face hub, once pulled. Its own chat template is used; a model without one continues the text it is given.

Without --prompt, lines are read from the terminal and the conversation is remembered; Ctrl-C stops an answer, Ctrl-D or
/exit ends, /reset forgets. Piped standard input is one prompt. The answer goes to standard output, all else to standard
error. --session FILE remembers the conversation from run to run, with what the model has computed of it.`,
		Example: `  hanji chat tinyllama-1.1b-chat-q4_k_m.gguf
  hanji chat llama-3.2-1b-instruct --pull
  hanji chat SmolLM2-135M-Instruct -p "Why is the sky blue?" --temperature 0
  git diff | hanji chat model.gguf --system "Write a commit message for this change." --max-tokens 200`,
		Args: takes(1, 1, "MODEL, a file or a name; 'hanji models' lists those that it can pull"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			path, err := orPull(cmd, g, args[0], o.Pull)
			if err != nil {
				return err
			}
			var s *session
			if o.Session != "" {
				if s, err = openSession(o.Session, o.files(path), args[0], cmd.Flags()); err != nil {
					return err
				}
			}
			c, err := openChat(path, o)
			if err != nil {
				return err
			}
			defer c.close()
			c.out, c.messages, c.quiet = cmd.OutOrStdout(), cmd.ErrOrStderr(), g.Quiet
			if s != nil {
				if err := c.resume(s, o.System); err != nil {
					return err
				}
			}
			if o.System != "" && len(c.history) == 0 {
				c.history = append(c.history, chat.Message{Role: "system", Content: o.System})
			}
			switch in, ok := cmd.InOrStdin().(*os.File); {
			case o.Prompt != "":
				return c.once(cmd.Context(), o.Prompt)
			case ok && term.IsTerminal(int(in.Fd())):
				return c.talk(cmd.Context(), in)
			}
			b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxPrompt+1))
			if err != nil {
				return err
			}
			if len(b) > maxPrompt {
				return fmt.Errorf("the prompt has more than %d MB", maxPrompt>>20)
			}
			return c.once(cmd.Context(), strings.TrimRight(string(b), "\n"))
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.Prompt, "prompt", "p", "", "ask this and end")
	f.StringVar(&o.System, "system", "", "instructions that come before the conversation")
	f.StringVar(&o.Template, "template", "", "chat template in place of the model's: "+strings.Join(chat.Builtins(), ", "))
	f.IntVar(&o.MaxTokens, "max-tokens", 0, "longest answer in tokens (default as long as there is room)")
	f.Float64Var(&o.Temperature, "temperature", 0.8, "0 takes the most probable token each time; higher is more varied")
	f.IntVar(&o.TopK, "top-k", 40, "sample from so many most probable tokens; 0 means all")
	f.Float64Var(&o.TopP, "top-p", 0.95, "sample from the most probable tokens that make up this share")
	f.Float64Var(&o.MinP, "min-p", 0.05, "leave out tokens less probable than this share of the most probable one")
	f.Float64Var(&o.RepetitionPenalty, "repetition-penalty", 0, "above 1 makes what was said less probable")
	f.Uint64Var(&o.Seed, "seed", 0, "of the draws: the same seed gives the same answer")
	f.StringArrayVar(&o.Stop, "stop", nil, "end the answer before this text (repeatable)")
	f.StringVar(&o.Schema, "json-schema", "", "file with a JSON schema that the answer must satisfy")
	f.StringVar(&o.LoRA, "lora", "", "adapter that is added to the model: a folder in peft's layout, or a GGUF file")
	f.IntVar(&o.Ctx, "ctx", 0, "room for the conversation, in tokens (default the model's context, at most 8192)")
	f.StringVar(&o.KVType, "kv-type", "f16", "type of cached keys and values: f16, q8_0 or f32")
	f.BoolVar(&o.JSON, "json", false, "the answer as one JSON object, with counts and times")
	f.StringVar(&o.Session, "session", "", "file that keeps the conversation with its options, and goes on with it")
	f.BoolVar(&o.Pull, "pull", false, "pull the model first where it has not been")
	return cmd
}

// check looks at the sampling options without the model.
func (o *chatFlags) check() error {
	check := o.Options
	check.Stop = nil // needs the model's vocabulary
	if err := check.Validate(); err != nil {
		return usagef("%v", err)
	}
	return nil
}

// files are those that decide what is computed.
func (o *chatFlags) files(model string) []string {
	if o.LoRA != "" {
		return []string{model, o.LoRA}
	}
	return []string{model}
}

// conversation is a chat in progress.
type conversation struct {
	o        *chatFlags
	session  *session // nil: it is not kept
	l        *all.Language
	d        *generate.Decoder
	seq      int
	seen     []int32 // tokens in the cache
	room     int
	history  []chat.Message
	out      io.Writer
	messages io.Writer
	quiet    bool
}

// kvType is what --kv-type names.
func kvType(name string) (tensor.DType, error) {
	dt, ok := map[string]tensor.DType{"f16": tensor.F16, "q8_0": tensor.U8, "f32": tensor.F32}[name]
	if !ok {
		return 0, usagef("--kv-type is %q, want f16, q8_0 or f32", name)
	}
	return dt, nil
}

func openChat(path string, o *chatFlags) (*conversation, error) {
	dt, err := kvType(o.KVType)
	if err != nil {
		return nil, err
	}
	if o.Ctx < 0 {
		return nil, usagef("--ctx is %d, want 1 or more", o.Ctx)
	}
	l, err := all.OpenLanguage(path)
	if err != nil {
		return nil, err
	}
	c := &conversation{o: o, l: l, room: o.Ctx}
	if o.LoRA != "" {
		if err := l.AddLoRA(o.LoRA); err != nil {
			c.close()
			return nil, err
		}
	}
	if o.Template != "" {
		if l.Template, err = chat.Builtin(o.Template); err != nil {
			c.close()
			return nil, usagef("--template: %v", err)
		}
	}
	if c.room == 0 {
		c.room = min(l.Decoder.Spec().Context, 8192)
	}
	o.StopTokens = l.End
	if c.d, err = generate.NewDecoder(l.Decoder, nn.CacheOptions{DType: dt, MaxTokens: c.room}); err != nil {
		c.close()
		return nil, err
	}
	if len(o.Stop) > 0 || o.Schema != "" {
		if err := c.watchText(); err != nil {
			c.close()
			return nil, err
		}
	}
	c.seq, err = c.d.Start()
	return c, err
}

// watchText gives generation the tokens' texts, to find stops in and to hold to a schema.
func (c *conversation) watchText() error {
	v, err := generate.NewVocabulary(c.l.Tokenizer.Pieces(), c.l.End...)
	if err != nil {
		return err
	}
	c.o.Vocabulary = v
	if c.o.Schema != "" {
		b, err := os.ReadFile(c.o.Schema)
		if err != nil {
			return err
		}
		if c.o.Constraint, err = generate.JSONSchema(v, b, generate.SchemaOptions{}); err != nil {
			return fmt.Errorf("%s: %w", c.o.Schema, err)
		}
	}
	return c.o.Validate()
}

func (c *conversation) close() {
	if c.d != nil {
		c.d.Close()
	}
	c.l.Close()
}

// answer is what --json prints.
type answer struct {
	Answer       string  `json:"answer"`
	Finish       string  `json:"finish_reason"` // stop, length, or interrupted
	PromptTokens int     `json:"prompt_tokens"`
	CachedTokens int     `json:"cached_tokens"` // of these, those that were known already
	Tokens       int     `json:"completion_tokens"`
	PromptRate   float64 `json:"prompt_tokens_per_second"`
	Rate         float64 `json:"completion_tokens_per_second"`
}

// once answers one prompt.
func (c *conversation) once(ctx context.Context, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("the prompt is empty")
	}
	a, err := c.ask(ctx, text)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return c.deliver(a)
}

// talk reads lines until there are no more.
func (c *conversation) talk(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxPrompt)
	for {
		fmt.Fprint(c.messages, "> ")
		if !lines.Scan() {
			fmt.Fprintln(c.messages)
			return lines.Err()
		}
		switch line := strings.TrimSpace(lines.Text()); line {
		case "":
		case "/exit":
			return nil
		case "/reset":
			c.history = c.history[:0]
			if c.o.System != "" {
				c.history = append(c.history, chat.Message{Role: "system", Content: c.o.System})
			}
			if err := c.keep(); err != nil {
				fmt.Fprintln(c.messages, "hanji:", err)
			}
		default:
			// Not of ctx: Ctrl-C has ended that for good when it is pressed first.
			turn, stop := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt)
			a, err := c.ask(turn, line)
			stop()
			if err == nil {
				err = c.deliver(a)
			}
			if err != nil {
				fmt.Fprintln(c.messages, "hanji:", err)
			}
		}
	}
}

// deliver ends an answer: with its rates, or as JSON.
func (c *conversation) deliver(a answer) error {
	if c.o.JSON {
		return json.NewEncoder(c.out).Encode(a)
	}
	if !c.quiet {
		fmt.Fprintf(c.messages, "%d prompt tokens (%d known), %.1f a second; %d tokens, %.1f a second\n", a.PromptTokens, a.CachedTokens, a.PromptRate, a.Tokens, a.Rate)
	}
	return nil
}

// ask puts a message to the model and writes the answer as it comes. What the cache knows of the conversation is not read
// again.
func (c *conversation) ask(ctx context.Context, text string) (a answer, err error) {
	messages := append(c.history, chat.Message{Role: "user", Content: text})
	if c.l.Template == nil {
		messages = []chat.Message{{Role: "user", Content: text}}
	}
	prompt, err := c.l.Prompt(messages, chat.Options{})
	if err != nil {
		return a, err
	}
	if len(prompt) == 0 {
		return a, errors.New("the prompt has no tokens")
	}
	if len(prompt) >= c.room {
		return a, fmt.Errorf("the conversation has %d tokens, there is room for %d; --ctx makes more, /reset forgets", len(prompt), c.room)
	}
	o := c.o.Options
	if left := c.room - len(prompt); o.MaxTokens == 0 || o.MaxTokens > left {
		o.MaxTokens = left
	}
	s, err := generate.NewSequence(prompt, o)
	if err != nil {
		return a, err
	}
	a.PromptTokens = len(prompt)
	if a.CachedTokens, err = c.rewind(prompt); err != nil {
		return a, err
	}
	if err := c.generate(ctx, s, &a); err != nil {
		return a, err
	}
	if c.l.Template != nil && a.Finish != "interrupted" {
		c.history = append(messages, chat.Message{Role: "assistant", Content: a.Answer})
		return a, c.keep()
	}
	return a, nil
}

// text is what of a token may be shown now.
func (c *conversation) text(s *tokenizer.Stream, t generate.Token, first bool) string {
	switch {
	case c.o.Vocabulary != nil && first:
		return strings.TrimPrefix(t.Text, " ") // SentencePiece begins with a space that is no part of the text
	case c.o.Vocabulary != nil:
		return t.Text
	case t.Finish == generate.FinishStop:
		return ""
	}
	return s.Next(t.ID)
}

// rewind takes the cache back to what it has in common with the prompt, but for the last token, whose logits are wanted.
func (c *conversation) rewind(prompt []int32) (int, error) {
	n := 0
	for n < min(len(c.seen), len(prompt)-1) && c.seen[n] == prompt[n] {
		n++
	}
	c.seen = append(c.seen[:n], prompt[n:]...)
	if err := c.d.Truncate(c.seq, n); err != nil {
		return 0, err
	}
	return n, nil
}

// generate runs the model after the tokens that the cache has.
func (c *conversation) generate(ctx context.Context, s *generate.Sequence, a *answer) error {
	var all strings.Builder
	show := func(text string) error {
		all.WriteString(text)
		if c.o.JSON {
			return nil
		}
		_, err := io.WriteString(c.out, text)
		return err
	}
	stream := c.l.Tokenizer.NewStream(tokenizer.DecodeOptions{})
	feed := c.seen[a.CachedTokens:]
	start := time.Now()
	for {
		rows, err := c.d.Step(ctx, []generate.Input{{Seq: c.seq, Tokens: feed}})
		if err != nil {
			if ctx.Err() == nil {
				return err
			}
			c.seen = c.seen[:c.d.Len(c.seq)]
			a.Finish = "interrupted"
			break
		}
		if a.Tokens == 0 {
			a.PromptRate, start = float64(a.PromptTokens-a.CachedTokens)/time.Since(start).Seconds(), time.Now()
		}
		t, err := s.Next(rows[0])
		if err != nil {
			return err
		}
		a.Tokens++
		if err := show(c.text(stream, t, all.Len() == 0)); err != nil {
			return err
		}
		if t.Finish != "" {
			a.Finish = string(t.Finish)
			break
		}
		if ctx.Err() != nil {
			a.Finish = "interrupted"
			break
		}
		c.seen = append(c.seen, t.ID)
		feed = c.seen[len(c.seen)-1:]
	}
	if err := show(stream.Flush()); err != nil {
		return err
	}
	if a.Tokens > 1 {
		a.Rate = float64(a.Tokens-1) / time.Since(start).Seconds()
	}
	a.Answer = strings.TrimSpace(all.String())
	if !c.o.JSON {
		fmt.Fprintln(c.out)
	}
	return nil
}
