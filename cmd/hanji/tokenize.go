package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hanji-ml/hanji/lm"
	"github.com/hanji-ml/hanji/tokenizer"
)

func newTokenizeCmd(g *globals) *cobra.Command {
	o := &tokenizeFlags{}
	cmd := &cobra.Command{
		Use:   "tokenize [FILE]",
		Short: "Turn text into a model's token ids, or ids into text",
		Long: `Reads text from FILE or standard input (-) and writes the ids of its tokens, separated by spaces; with --decode
reads ids (separated by spaces, commas or line breaks) and writes text.

--model is a model's folder, a tokenizer.json, a GGUF file, a SentencePiece model, a tiktoken table or BERT's vocab.txt,
recognised by its content. Text is taken as text: special tokens spelled in it, and those that the model wants around a text, count
only with --special. A line break at the end of the text is part of it.

With --train it makes a vocabulary instead: byte-level BPE over words cut as GPT-2 cuts them, with the merges of Hugging
Face's tokenizers, begin and end tokens <s> and </s>, written as tokenizer.json and tokenizer_config.json.`,
		Example: `  echo -n "Hello, world" | hanji tokenize --model tokenizer.json
  hanji tokenize --model Llama-2-7b-hf --count book.txt
  hanji tokenize --model tokenizer.model --offsets --json question.txt
  echo 15496 11 995 | hanji tokenize --model tokenizer.json --decode
  hanji tokenize --train book.txt --vocab-size 4096 --out vocabulary`,
		Args: takes(0, 1, "one file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return err
			}
			if len(o.Train) > 0 {
				return trainVocabulary(cmd.OutOrStdout(), o, args)
			}
			path, err := modelPath(o.Model)
			if err != nil {
				return err
			}
			t, err := tokenizer.OpenFile(path)
			if err != nil {
				return err
			}
			g.logger(cmd.ErrOrStderr()).Debug("recognised", "model", o.Model, "format", t.Format(), "tokens", t.Len())
			text, err := readInput(cmd.InOrStdin(), args)
			if err != nil {
				return err
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			if err := o.run(w, t, text); err != nil {
				return err
			}
			return w.Flush()
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Model, "model", "", "tokenizer: a model's folder or a file (needed)")
	f.BoolVar(&o.Decode, "decode", false, "read ids, write text")
	f.BoolVar(&o.Count, "count", false, "write the number of tokens only")
	f.BoolVar(&o.Offsets, "offsets", false, "one token a line: id, token, first byte, byte behind its last")
	f.BoolVar(&o.JSON, "json", false, "one JSON object")
	f.StringArrayVar(&o.Train, "train", nil, "make a byte-level BPE vocabulary from this text: a file as hanji train takes for data.text (repeatable)")
	f.IntVar(&o.VocabSize, "vocab-size", 0, "tokens of the vocabulary that is made, the 256 bytes and special tokens included")
	f.StringVar(&o.Out, "out", "", "folder for the vocabulary that is made")
	f.BoolVar(&o.Special, "special", false, "add the special tokens around a text, and read or write those spelled in it")
	return cmd
}

type tokenizeFlags struct {
	Train                                 []string
	VocabSize                             int
	Out                                   string
	Model                                 string
	Decode, Count, Offsets, JSON, Special bool
}

func (o *tokenizeFlags) check() error {
	switch {
	case len(o.Train) > 0 && (o.Model != "" || o.Decode || o.Count || o.Offsets || o.Special || o.VocabSize < 1 || o.Out == ""):
		return usagef("tokenize --train makes a vocabulary: it needs --vocab-size and --out, and goes with --json alone besides")
	case len(o.Train) == 0 && (o.VocabSize != 0 || o.Out != ""):
		return usagef("--vocab-size and --out belong to --train")
	case len(o.Train) > 0:
	case o.Model == "":
		return usagef("tokenize needs --model: a model's folder, or its tokenizer.json")
	case o.Decode && (o.Count || o.Offsets):
		return usagef("--decode writes text: it goes with neither --count nor --offsets")
	case o.Count && o.Offsets:
		return usagef("--count and --offsets are two outputs; give one of them")
	}
	return nil
}

// readInput reads the file named, or standard input.
func readInput(stdin io.Reader, args []string) (string, error) {
	if len(args) == 0 || args[0] == "-" {
		b, err := io.ReadAll(stdin)
		return string(b), err
	}
	b, err := os.ReadFile(args[0])
	return string(b), err
}

func (o *tokenizeFlags) run(w io.Writer, t *tokenizer.Tokenizer, text string) error {
	if o.Decode {
		return o.decode(w, t, text)
	}
	how := tokenizer.EncodeOptions{NoSpecial: !o.Special, Verbatim: !o.Special}
	if o.Offsets {
		return o.offsets(w, t.EncodeOffsets(text, how))
	}
	ids := t.Encode(text, how)
	switch {
	case o.JSON && o.Count:
		return json.NewEncoder(w).Encode(map[string]int{"tokens": len(ids), "bytes": len(text)})
	case o.JSON:
		return json.NewEncoder(w).Encode(map[string][]int32{"ids": ids})
	case o.Count:
		_, err := fmt.Fprintln(w, len(ids))
		return err
	}
	var line []byte
	for i, id := range ids {
		if i > 0 {
			line = append(line, ' ')
		}
		line = strconv.AppendInt(line, int64(id), 10)
	}
	_, err := w.Write(append(line, '\n'))
	return err
}

func (o *tokenizeFlags) offsets(w io.Writer, tokens []tokenizer.Token) error {
	type token struct {
		ID    int32  `json:"id"`
		Token string `json:"token"`
		Start int    `json:"start"`
		End   int    `json:"end"`
	}
	list := make([]token, len(tokens))
	for i, k := range tokens {
		list[i] = token{k.ID, k.Text, k.Start, k.End}
	}
	if o.JSON {
		return json.NewEncoder(w).Encode(map[string][]token{"tokens": list})
	}
	for _, k := range list {
		if _, err := fmt.Fprintf(w, "%d\t%s\t%d\t%d\n", k.ID, printable(k.Token), k.Start, k.End); err != nil {
			return err
		}
	}
	return nil
}

// printable quotes a token that would not stay on its line.
func printable(token string) string {
	if quoted := strconv.QuoteToGraphic(token); strings.Contains(quoted, `\`) {
		return quoted
	}
	return token
}

func (o *tokenizeFlags) decode(w io.Writer, t *tokenizer.Tokenizer, text string) error {
	var ids []int32
	for field := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,[]", r) }) {
		id, err := strconv.ParseInt(field, 10, 32)
		if err != nil {
			return fmt.Errorf("%.40q is no token id: --decode reads whole numbers", field)
		}
		if _, ok := t.Token(int32(id)); !ok {
			return fmt.Errorf("id %d is not in the vocabulary, which ends at %d", id, t.Len()-1)
		}
		ids = append(ids, int32(id))
	}
	s := t.Decode(ids, tokenizer.DecodeOptions{KeepSpecial: o.Special})
	if o.JSON {
		return json.NewEncoder(w).Encode(map[string]string{"text": s})
	}
	_, err := fmt.Fprintln(w, s)
	return err
}

// trainVocabulary makes a vocabulary from texts.
func trainVocabulary(w io.Writer, o *tokenizeFlags, args []string) error {
	if len(args) > 0 {
		return usagef("tokenize --train takes its texts by that flag, not %s", args[0])
	}
	var texts []string
	for _, path := range o.Train {
		more, err := lm.Documents(path, lm.DocumentOptions{})
		if err != nil {
			return err
		}
		texts = append(texts, more...)
	}
	v, err := tokenizer.TrainBPE(slices.Values(texts), tokenizer.TrainOptions{VocabSize: o.VocabSize})
	if err != nil {
		return err
	}
	if err := v.Save(o.Out); err != nil {
		return err
	}
	if o.JSON {
		return json.NewEncoder(w).Encode(map[string]int{"documents": len(texts), "tokens": v.Size})
	}
	_, err = fmt.Fprintf(w, "%d tokens from %d documents in %s\n", v.Size, len(texts), o.Out)
	return err
}
