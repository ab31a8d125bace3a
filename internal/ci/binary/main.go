// Binary examines a linked program: its size against a limit, that it is static (an ELF file
// without interpreter or needed library), and what its bytes are made of, by module, taken from
// the symbols of an unstripped build of the same program.
//
//	binary -max-mb 22 -parts hanji.full hanji
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	maxMB := flag.Float64("max-mb", 0, "largest size allowed, in units of 10⁶ bytes; 0 = any")
	unstripped := flag.String("parts", "", "unstripped build of the same program: list its parts")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: binary [-max-mb N] [-parts UNSTRIPPED] PROGRAM")
		os.Exit(2)
	}
	if err := run(os.Stdout, flag.Arg(0), *unstripped, *maxMB); err != nil {
		fmt.Fprintln(os.Stderr, "binary:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, program, unstripped string, maxMB float64) error {
	info, err := os.Stat(program)
	if err != nil {
		return err
	}
	mb := float64(info.Size()) / 1e6
	fmt.Fprintf(w, "%s: %.2f MB", filepath.Base(program), mb)
	if maxMB > 0 {
		fmt.Fprintf(w, " of %g allowed", maxMB)
	}
	fmt.Fprintln(w)
	if unstripped != "" {
		if err := parts(w, unstripped); err != nil {
			return err
		}
	}
	if err := static(program); err != nil {
		return err
	}
	fmt.Fprintln(w, "static: no interpreter, no needed library")
	if maxMB > 0 && mb > maxMB {
		return fmt.Errorf("%s is %.2f MB, the limit is %g", program, mb, maxMB)
	}
	return nil
}

// static is an error unless the ELF file runs without a dynamic linker.
func static(program string) error {
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s asks for a dynamic linker: built with cgo, or purego is linked", program)
		}
	}
	libs, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	if len(libs) > 0 {
		return fmt.Errorf("%s needs %v", program, libs)
	}
	return nil
}

// parts lists the bytes of symbols by module, and by package for this module's own.
func parts(w io.Writer, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	modules := []string{info.Main.Path}
	for _, m := range info.Deps {
		modules = append(modules, m.Path)
	}
	out, err := exec.Command("go", "tool", "nm", "-size", program).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return fmt.Errorf("go tool nm: %w", err)
	}
	f, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer f.Close()
	sizes, err := sum(bytes.NewReader(out), f.Sections, info.Main.Path, modules)
	if err != nil {
		return err
	}
	addSections(sizes, f.Sections)
	names := slices.SortedFunc(maps.Keys(sizes), func(a, b string) int {
		return cmp.Or(cmp.Compare(sizes[b], sizes[a]), strings.Compare(a, b))
	})
	for _, name := range names {
		fmt.Fprintf(w, "%9.1f kB  %s\n", float64(sizes[name])/1e3, name)
	}
	fmt.Fprintf(w, "%d modules linked\n", len(modules))
	return nil
}

// addSections adds what has no symbols of its own: the tables that a stripped program keeps too.
func addSections(sizes map[string]int64, sections []*elf.Section) {
	for _, s := range sections {
		switch s.Name {
		case ".gopclntab":
			sizes["(tables: functions and lines)"] = int64(s.Size) // their symbol covers the head only
		case ".typelink", ".itablink":
			sizes["(tables: strings, types)"] += int64(s.Size)
		}
	}
}

// zeroed says that an address has no bytes in the file: memory that begins as zeros.
// nm's letters do not tell, it calls such symbols D.
func zeroed(address uint64, sections []*elf.Section) bool {
	return slices.ContainsFunc(sections, func(s *elf.Section) bool {
		return s.Type == elf.SHT_NOBITS && address >= s.Addr && address-s.Addr < s.Size
	})
}

// sum adds the sizes that `go tool nm -size` prints (address, size, kind, name) by owner,
// without symbols that take no room in the file.
func sum(nm io.Reader, sections []*elf.Section, main string, modules []string) (map[string]int64, error) {
	sizes := map[string]int64{}
	lines := bufio.NewScanner(nm)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || strings.EqualFold(f[2], "u") { // undefined: no address
			continue
		}
		address, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("go tool nm: %q: %w", lines.Text(), err)
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("go tool nm: %q: %w", lines.Text(), err)
		}
		if n > 0 && !zeroed(address, sections) {
			sizes[owner(strings.Join(f[3:], " "), main, modules)] += n
		}
	}
	return sizes, lines.Err()
}

// owner tells whom a symbol belongs to: a package of the main module, another module,
// the standard library, or the linker's tables.
func owner(symbol, main string, modules []string) string {
	if symbol == "runtime.pclntab" || strings.HasPrefix(symbol, "runtime.findfunctab") {
		return "(tables: functions and lines)"
	}
	s := symbol
	if rest, ok := strings.CutPrefix(s, "type:"); ok {
		s = strings.TrimLeft(rest, ".*[]0123456789 ")
		s = strings.TrimPrefix(s, "eq.")
		s = strings.TrimPrefix(s, "hash.")
		s = strings.TrimPrefix(s, "gcmask.")
	} else if strings.HasPrefix(s, "go:itab.") {
		s = strings.TrimLeft(strings.TrimPrefix(s, "go:itab."), "*")
	} else if strings.HasPrefix(s, "go:") {
		return "(tables: strings, types)"
	}
	s, _, _ = strings.Cut(s, "[") // type arguments name other packages
	s, _, _ = strings.Cut(s, ",")
	s, _, _ = strings.Cut(s, " ")
	slash := strings.LastIndexByte(s, '/') + 1
	dot := strings.IndexByte(s[slash:], '.')
	if dot < 0 {
		return "(other)"
	}
	// The linker writes a dot of the last path element as %2e: gopkg.in/yaml%2ev3.
	pkg := strings.ReplaceAll(s[:slash+dot], "%2e", ".")
	if pkg == "main" {
		return main + " (main)"
	}
	best := ""
	for _, m := range modules {
		if (pkg == m || strings.HasPrefix(pkg, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	switch {
	case best == main:
		return pkg
	case best != "":
		return best
	}
	first, _, _ := strings.Cut(pkg, "/")
	if strings.Contains(first, ".") {
		return pkg
	}
	return "(standard library)"
}
