// Package generate decodes: it turns a language model's logits into tokens and text.
//
// [Options] say how; their zero value is greedy decoding until an end token. [Stream] runs a model and yields tokens as
// they come, [BeamSearch] follows several outputs at once, and a [Sequence] is one output without a model, for who
// steps many together. An [Engine] serves many outputs of one model at once, as a server does: their rows go through the model
// together, and prompts that begin alike share what the cache has. [Filter]s change logits, each one small rule of transformers' generation; [Regex] and
// [JSONSchema] (of a Go type: [SchemaFor]) compile what an output must look like into masks over the vocabulary.
//
// It knows no model family, tokenizer or chat template: a model is a [Stepper] (tokens in, logits out; [Decoder] makes one of
// any model.Decoder), a tokenizer the bytes of each token ([Vocabulary]), a prompt the ids it begins with.
//
//	v, err := generate.NewVocabulary(pieces, endToken)
//	...
//	for t, err := range generate.Stream(ctx, stepper, prompt, generate.Options{Temperature: 0.7, TopP: 0.9, Vocabulary: v}) {
//		if err != nil {
//			return err
//		}
//		fmt.Print(t.Text)
//	}
package generate
