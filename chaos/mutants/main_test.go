package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const example = `A comment.

# name: about
file: a.go
test: ./a TestA
test: ./b .
<<<<
	old
====
	new
>>>>
`

func TestParse(t *testing.T) {
	mutants, err := parse(example + "\n" + example)
	if err != nil || len(mutants) != 2 {
		t.Fatalf("parse: %d mutants, error %v, want 2", len(mutants), err)
	}
	m := mutants[1]
	if m.name != "name" || m.about != "about" || m.file != "a.go" || m.old != "\told\n" || m.new != "\tnew\n" ||
		len(m.tests) != 2 || m.tests[0] != (suite{"./a", "TestA"}) {
		t.Errorf("parsed %+v", m)
	}
}

func TestParseSaysWhatIsMissing(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"no name":          {"# name: about", "# : about", "no name"},
		"no file":          {"file: a.go", "", "no file"},
		"no test":          {"test: ./a TestA\ntest: ./b .", "", "no test"},
		"nothing changed":  {"\tnew", "\told", "changes nothing"},
		"no end":           {">>>>\n", "", "does not end"},
		"no head":          {"# name: about", "", "of no mutant"},
		"a mutant too few": {"<<<<", "", "does not end"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parse(strings.Replace(example, tc.old, tc.new, 1))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

// Every mutant fits the code as it is: its lines stand where it says, once.
func TestMutantsFitTheCode(t *testing.T) {
	mutants, err := readAll(".")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, m := range mutants {
		if seen[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		seen[m.name] = true
		source, err := os.ReadFile(filepath.Join("..", "..", m.file))
		if err != nil {
			t.Errorf("mutant %q: %v", m.name, err)
			continue
		}
		if _, err := m.apply(string(source)); err != nil {
			t.Error(err)
		}
	}
	if len(mutants) < 20 {
		t.Errorf("%d mutants, want 20 at least", len(mutants))
	}
}

func TestFailedTest(t *testing.T) {
	tests := map[string]struct{ out, want string }{
		"a test fails":      {"--- FAIL: TestA (0.00s)\n    --- FAIL: TestA/b\nFAIL\n", "TestA"},
		"a test hangs":      {"panic: test timed out after 1s\n\trunning tests:\n\t\tTestB (1s)\n", "TestB"},
		"a test panics":     {"panic: oops\ngoroutine 1", "(a test panicked)"},
		"it does not build": {"# pkg\n./a.go:1: undefined: x\nFAIL pkg [build failed]\n", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := failedTest(tc.out); got != tc.want {
				t.Errorf("failedTest = %q, want %q", got, tc.want)
			}
		})
	}
}
