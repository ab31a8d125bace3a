// Package serve answers requests for language models over HTTP: OpenAI's chat completions, completions, responses,
// embeddings and models, Anthropic's messages, tokens and templates, forecasts of a table, metrics, and one small page.
//
//	l, err := all.OpenLanguage("model.gguf")
//	...
//	m, err := serve.NewModel("model", l, serve.ModelOptions{})
//	...
//	s, err := serve.New(serve.Options{Models: []*serve.Model{m}})
//	...
//	http.ListenAndServe("127.0.0.1:8080", s)
//
// A [Server] is an http.Handler. It is closed by default: names in the Host header that are not allowed, other origins,
// bodies that are too large, nested too deep or not UTF-8, keys that come twice and parameters that it does not know are
// refused, in OpenAI's error shape. It fetches no address, stores nothing, and logs no text of a conversation.
//
// It knows no model family and computes nothing: an [Engine] does. docs/serve.md describes every route.
package serve
