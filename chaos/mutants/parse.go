package main

import (
	"fmt"
	"strings"
)

// A mutant is one broken variant of one file. In a file of mutants it is written as
//
//	# name: what is broken, and what that would do
//	file: quorum/claim.go
//	test: ./quorum TestOrphans
//	seeds: memory/edge
//	<<<<
//	the lines to replace, which stand in the file exactly once
//	====
//	the lines to put there
//	>>>>
//
// It is killed if one of its tests fails and, where it names seeds, if the simulation fails, too, on some seed
// of that simulator and profile. Lines between mutants are comments.
type mutant struct {
	name, about string
	file        string
	tests       []suite
	seeds       string
	old, new    string
}

// A suite is tests of one package, by a regular expression.
type suite struct{ pkg, tests string }

const (
	marksOld = "<<<<"
	marksNew = "===="
	marksEnd = ">>>>"
)

// parse reads the mutants of a file. The error names the mutant and what it lacks.
func parse(text string) ([]mutant, error) {
	var all []mutant
	var m *mutant
	into := (*strings.Builder)(nil)
	var from, to strings.Builder
	for number, line := range strings.Split(text, "\n") {
		switch {
		case line == marksOld:
			into = &from
		case line == marksNew && into == &from:
			into = &to
		case line == marksEnd && into == &to:
			m.old, m.new = from.String(), to.String()
			if err := m.check(); err != nil {
				return nil, fmt.Errorf("line %d: %w", number+1, err)
			}
			all = append(all, *m)
			m, into = nil, nil
			from.Reset()
			to.Reset()
		case into != nil:
			into.WriteString(line + "\n")
		default:
			m = m.header(line)
		}
		if m == nil && into != nil {
			return nil, fmt.Errorf("line %d: lines to replace, of no mutant", number+1)
		}
	}
	if m != nil {
		return nil, fmt.Errorf("mutant %q does not end with %s", m.name, marksEnd)
	}
	return all, nil
}

// header reads one line of a mutant's head, and returns the mutant it belongs to.
func (m *mutant) header(line string) *mutant {
	if name, ok := strings.CutPrefix(line, "# "); ok {
		m = &mutant{}
		m.name, m.about, _ = strings.Cut(name, ": ")
	}
	if m == nil {
		return nil
	}
	if file, ok := strings.CutPrefix(line, "file: "); ok {
		m.file = file
	}
	if test, ok := strings.CutPrefix(line, "test: "); ok {
		pkg, tests, _ := strings.Cut(test, " ")
		m.tests = append(m.tests, suite{pkg, tests})
	}
	if seeds, ok := strings.CutPrefix(line, "seeds: "); ok {
		m.seeds = seeds
	}
	return m
}

func (m *mutant) check() error {
	switch {
	case m.name == "" || m.about == "":
		return fmt.Errorf("mutant %q has no name, or does not say what is broken", m.name)
	case m.file == "" || len(m.tests) == 0:
		return fmt.Errorf("mutant %q names no file, or no test", m.name)
	case m.old == m.new:
		return fmt.Errorf("mutant %q changes nothing", m.name)
	}
	return nil
}

// apply returns the source with the mutant in it.
func (m *mutant) apply(source string) (string, error) {
	if n := strings.Count(source, m.old); n != 1 {
		return "", fmt.Errorf("the lines that mutant %q replaces stand in %s %d times, not once", m.name, m.file, n)
	}
	return strings.Replace(source, m.old, m.new, 1), nil
}
