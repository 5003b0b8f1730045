// Package quorumlock_test holds the tests of the project as a whole: which package may import
// which, and what the lock drags into a program that uses it. There is no code at the root.
package quorumlock_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module  = "github.com/quorumlock/quorumlock"
	goRedis = "github.com/redis/go-redis"
)

// layering maps each package of the project, present or planned, to the packages of the project
// that it may import. "x/..." stands for x and all below it. What lies in x/internal has the place
// of x. Tests may import what they like.
//
// Each line down the list may lean on those above it, never the other way round: clocks know
// nothing of nodes, the engine nothing of Redis, the lock nothing of what is built on it.
var layering = map[string][]string{
	"clock":                         {},
	"quorum":                        {"clock"},
	"quorum/memnode":                {"clock", "quorum"},
	"quorum/redisnode":              {"clock", "quorum"},
	"quorum/tokenmodel":             {}, // a model of the protocol, not of the code
	"quorum/quorumtest":             {"clock", "quorum", "quorum/quorumtest/..."},
	"quorum/quorumtest/faultproxy":  {},
	"quorum/quorumtest/redisserver": {},

	"redlock": {"clock", "quorum", "quorum/redisnode"},

	// The layers use the lock as any other program would.
	"redlock/fence":           {"redlock"},
	"redlock/fence/fencetest": {"redlock/fence"},
	"redlock/stampede":        {"redlock"},
	"redlock/leader":          {"redlock"},
	"redlock/taskqueue":       {"redlock", "redlock/leader"},
	"redlock/atomic":          {},
	"redlock/gateway":         {"redlock/..."},

	"chaos":                  {"clock", "quorum/...", "redlock/..."},
	"chaos/mutants":          {}, // rewrites source files and runs their tests
	"chaos/containers":       {"clock", "quorum/...", "redlock/...", "chaos"},
	"benchmarks":             {"clock", "quorum/...", "redlock/..."},
	"benchmarks/peers":       {"clock", "quorum/...", "redlock/...", "benchmarks", "chaos"}, // runs its peers through chaos
	"benchmarks/peers/bench": {"benchmarks", "benchmarks/peers"},
	"cmd/redlock":            {"clock", "quorum/...", "redlock/..."},

	// What users read and copy.
	"examples/quickstart":   {"redlock"},
	"examples/pausedholder": {"redlock/fence"},
}

// withoutRedis are the packages that decide or count and must not know what a node is made of.
var withoutRedis = []string{"clock", "quorum", "quorum/memnode", "quorum/tokenmodel"}

// checkImports returns what is wrong with a package at path pkg, relative to the module, that
// imports the given packages, named in full.
func checkImports(pkg string, imports []string) []string {
	place, _, _ := strings.Cut(pkg, "/internal/")
	allowed, known := layering[place]
	if !known {
		return []string{fmt.Sprintf("package %s has no place in the architecture yet: "+
			"add it to layering in architecture_test.go with what it may import", pkg)}
	}
	var faults []string
	for _, imported := range imports {
		inner, ours := strings.CutPrefix(imported, module+"/")
		switch {
		case within(inner, place+"/internal"):
		case ours && !covers(allowed, inner):
			faults = append(faults, fmt.Sprintf("package %s imports %s, but may import only %q of this project",
				pkg, inner, allowed))
		case within(imported, goRedis) && slices.Contains(withoutRedis, place):
			faults = append(faults, fmt.Sprintf("package %s imports %s, but must not know Redis", pkg, imported))
		}
	}
	return faults
}

// covers reports whether one of the patterns, a path or "path/...", stands for pkg.
func covers(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		root, tree := strings.CutSuffix(pattern, "/...")
		return pkg == root || tree && within(pkg, root)
	})
}

// within reports whether pkg is root or lies below it.
func within(pkg, root string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}

func TestImportsFollowTheArchitecture(t *testing.T) {
	imports := sourceImports(t)
	if len(imports) == 0 {
		t.Fatal("found no package at all, so this test tests nothing")
	}
	for _, pkg := range slices.Sorted(maps.Keys(imports)) {
		for _, fault := range checkImports(pkg, slices.Sorted(maps.Keys(imports[pkg]))) {
			t.Error(fault)
		}
	}
}

// sourceImports reads every non-test Go file of the checkout, of every module and for every
// platform, and returns the set of imports of each package, keyed by its path below the root.
func sourceImports(t *testing.T) map[string]map[string]bool {
	t.Helper()
	imports := make(map[string]map[string]bool)
	walkFiles(t, ".", func(file string) {
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("cannot read the imports of %s: %v", file, err)
			return
		}
		pkg := path.Dir(file)
		if imports[pkg] == nil {
			imports[pkg] = make(map[string]bool)
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Errorf("%s imports %s: %v", file, spec.Path.Value, err)
			}
			imports[pkg][imported] = true
		}
	})
	return imports
}

// walkFiles calls visit with the slash-separated path of every file below root, except in folders
// that the go command skips too.
func walkFiles(t *testing.T, root string, visit func(file string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case !entry.IsDir():
			visit(filepath.ToSlash(file))
		case file != root && (strings.HasPrefix(entry.Name(), ".") || strings.HasPrefix(entry.Name(), "_") || entry.Name() == "testdata"):
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Scripts belong to the node that runs them. A lock that carried its own would bypass the quorum
// engine, and with it every rule about late and lost answers.
func TestLockHasNoScripts(t *testing.T) {
	scripts, err := filepath.Glob("redlock/*.lua")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range scripts {
		t.Errorf("%s does not belong into the lock: scripts live in quorum/redisnode", file)
	}
}

// A checker that finds nothing proves little unless it can find something.
func TestCheckImports(t *testing.T) {
	tests := map[string]struct {
		pkg     string
		imports []string
		want    string // part of the only fault; empty for none
	}{
		"the standard library is free":       {"clock", []string{"time", "testing/synctest"}, ""},
		"a layer below is free":              {"redlock", []string{module + "/quorum"}, ""},
		"a pattern covers its root":          {"redlock/gateway", []string{module + "/redlock"}, ""},
		"a pattern covers what is below":     {"cmd/redlock", []string{module + "/quorum/quorumtest/redisserver"}, ""},
		"nodes of the kind Redis know it":    {"quorum/redisnode", []string{goRedis + "/v9"}, ""},
		"recipes need no lock, only Redis":   {"redlock/atomic", []string{goRedis + "/v9"}, ""},
		"an inner package is its owner's":    {"chaos", []string{module + "/chaos/internal/x"}, ""},
		"and keeps its owner's rules":        {"clock/internal/x", []string{module + "/quorum"}, "clock/internal/x imports quorum"},
		"a layer above":                      {"clock", []string{module + "/quorum"}, "clock imports quorum"},
		"a neighbour":                        {"quorum/memnode", []string{module + "/quorum/redisnode"}, "memnode imports quorum/redisnode"},
		"a layer reaching below the lock":    {"redlock/fence", []string{module + "/quorum"}, "fence imports quorum"},
		"the lock in memory":                 {"redlock", []string{module + "/quorum/memnode"}, "redlock imports quorum/memnode"},
		"chaos is for nobody":                {"cmd/redlock", []string{module + "/chaos"}, "cmd/redlock imports chaos"},
		"benchmarks are for nobody":          {"chaos", []string{module + "/benchmarks"}, "chaos imports benchmarks"},
		"a name that only begins alike":      {"chaos", []string{module + "/quorumx"}, "chaos imports quorumx"},
		"the engine does not know Redis":     {"quorum", []string{goRedis + "/v9"}, "must not know Redis"},
		"nor does it know its inner folders": {"quorum", []string{goRedis + "/v9/auth"}, "must not know Redis"},
		"a new package gets a place":         {"redlock/semaphore", nil, "add it to layering"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := checkImports(tc.pkg, tc.imports)
			if tc.want == "" {
				if len(got) > 0 {
					t.Errorf("checkImports(%q, %q) = %q, want no fault", tc.pkg, tc.imports, got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], tc.want) {
				t.Errorf("checkImports(%q, %q) = %q, want one fault with %q", tc.pkg, tc.imports, got, tc.want)
			}
		})
	}
}
