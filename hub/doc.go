// Package hub pulls published checkpoints from a server that speaks the Hugging Face hub's HTTP API, and keeps them in the
// cache that huggingface_hub keeps, so that Python and Go share one copy. It knows names, revisions, files and their
// checksums; what is in the files is no concern of it.
//
//	h, err := hub.New(hub.FromEnv())
//	m, err := h.Pull(ctx, hub.Ref{Repo: "HuggingFaceTB/SmolLM2-135M-Instruct"}, hub.PullOptions{})
//	l, err := all.OpenLanguage(m.Path)
//
// The layout is that of huggingface_hub's "Understand caching" guide:
//
//	models--OWNER--NAME/blobs/SUM            a file's content; SUM is its sha256 (Git LFS) or git's object id
//	models--OWNER--NAME/refs/REVISION        the commit that a branch or tag stood for
//	models--OWNER--NAME/snapshots/COMMIT/…   a repository's files, as links into blobs
//	.locks/models--OWNER--NAME/SUM.lock      held while a blob is written
//
// A file is written as SUM.incomplete, goes on there after an interruption, and gets its name once its sum is right.
package hub
