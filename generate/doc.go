// Package generate turns a language model's logits into tokens: filters, sampling, stop rules.
package generate
