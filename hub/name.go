package hub

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Ref names a model of the hub.
type Ref struct {
	Repo     string // OWNER/NAME
	Tag      string // of a repository of GGUF files, the type of one: Q4_K_M; "": the first there is of DefaultTags
	Revision string // branch, tag or commit; "": main

	sums []string // of the catalogue, which the hub's must be; nil: any
}

// ParseRef reads OWNER/NAME or OWNER/NAME:TAG.
func ParseRef(s string) (Ref, error) {
	repo, tag, tagged := strings.Cut(s, ":")
	r := Ref{Repo: repo, Tag: tag}
	if tagged && tag == "" {
		return r, fmt.Errorf("hub: %.100q ends where a tag such as Q4_K_M should follow", s)
	}
	return r, r.Check()
}

// String is OWNER/NAME:TAG.
func (r Ref) String() string {
	if r.Tag != "" {
		return r.Repo + ":" + r.Tag
	}
	return r.Repo
}

var (
	// huggingface_hub's validate_repo_id: letters, digits, _ and, not at an end, - and ., no -- and no .., at most 96.
	repoName = regexp.MustCompile(`^\w([\w.-]*\w)?/\w([\w.-]*\w)?$`)
	tagName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	revision = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+-]{0,199}$`)
	commit   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	sha256ID = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Check keeps names from being anything else on the disk or in an address. Every method asks it.
func (r Ref) Check() error {
	if !repoName.MatchString(r.Repo) || len(r.Repo) > 96 || strings.Contains(r.Repo, "--") || strings.Contains(r.Repo, "..") || strings.HasSuffix(r.Repo, ".git") {
		return fmt.Errorf("hub: %.100q is no model of the hub; they are named OWNER/NAME", r.Repo)
	}
	if r.Tag != "" && !tagName.MatchString(r.Tag) {
		return fmt.Errorf("hub: %.100q is no tag; they are such as Q4_K_M", r.Tag)
	}
	if v := r.Revision; v != "" && (!revision.MatchString(v) || path.Clean(v) != v || strings.Contains(v, "..") || strings.HasSuffix(v, ".lock") || !filepath.IsLocal(filepath.FromSlash(v))) {
		return fmt.Errorf("hub: %.100q is no revision; give a branch, a tag or a commit", v)
	}
	return nil
}

func (r Ref) revision() string {
	if r.Revision == "" {
		return "main"
	}
	return r.Revision
}

// goodPath tells whether a file's name, as the server gives it, stays inside the folder that it is put into, on any system.
func goodPath(name string) bool {
	bad := func(c rune) bool { return c < ' ' || c == 0x7f || strings.ContainsRune(`\:*?"<>|`, c) || c == 0xfffd }
	return name != "" && len(name) <= 512 && !strings.ContainsFunc(name, bad) && path.Clean(name) == name && filepath.IsLocal(filepath.FromSlash(name))
}
