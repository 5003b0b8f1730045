package fakeredis_test

import (
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/chaos/internal/fakeredis"
)

// A script that was changed must not go on running as what it was.
func TestEveryScriptHasATwin(t *testing.T) {
	sources := scripts(t)
	for name, source := range sources {
		if got, known := fakeredis.Recognise(source); !known || got != name {
			t.Errorf("%s.lua is not the script that its twin was written for: compare them, and write %q into twins.go",
				name, fakeredis.CodeDigest(source))
		}
	}
	for _, name := range fakeredis.Twins() {
		if sources[name] == "" {
			t.Errorf("twin of a script %s.lua that there is not", name)
		}
	}
}

// Only the code counts, and all of it.
func TestWhichChangesMatter(t *testing.T) {
	source := scripts(t)["batch"]
	for change, tc := range map[string]struct {
		source string
		known  bool
	}{
		"comment":       {source + "\n-- more\n\n", true},
		"indentation":   {strings.ReplaceAll(source, "\n  ", "\n\t"), true},
		"no owner":      {strings.Replace(source, "if holder ~= value then", "if false then", 1), false},
		"another title": {strings.Replace(source, "batch.lua", "crowd.lua", 1), false},
		"no title":      {strings.TrimPrefix(source, "-- batch.lua"), false},
	} {
		if _, known := fakeredis.Recognise(tc.source); known != tc.known || tc.source == source {
			t.Errorf("%s: recognised: %v, want %v", change, known, tc.known)
		}
	}
}
