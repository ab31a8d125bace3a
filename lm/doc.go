// Package lm trains language models: it is what `hanji train` runs for recipes with `task: language`.
//
//	r := lm.Recipe{Model: lm.ModelRecipe{Family: "llama", Config: config}, Tokenizer: lm.TokenizerRecipe{Train: &tokenizer.TrainOptions{VocabSize: 4096}},
//		Data: lm.DataRecipe{Text: []string{"book.txt"}, Context: 256}, Train: train.Options{Epochs: 3, Optimizer: optim.Options{LR: 1e-3}}}
//	result, err := r.Run(ctx, all.Decoders{}, lm.RunOptions{Out: "run"})
//
// From text alone it makes the vocabulary and a model that foretells the next token; from conversations it teaches a model the assistant's
// part of them. What comes of it lies in Out/model, as a published checkpoint does.
//
// B rows a batch, T tokens a row, V vocabulary. The package names no model family and prints nothing.
package lm
