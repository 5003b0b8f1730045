package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

type versionCmd struct{ jsonFlag }

// Help is what --help adds.
func (versionCmd) Help() string {
	return `The JSON document is {"version", "revision", "modified", "go", "platform"}: the module's version, the commit it was built from if that is known, whether the checkout had changes, the Go release, and system/architecture.`
}

// Run prints what the linker recorded.
func (c versionCmd) Run(w *world) error {
	info, _ := debug.ReadBuildInfo()
	b := describe(info)
	if c.JSON {
		return writeJSON(w.stdout, b)
	}
	_, err := fmt.Fprintln(w.stdout, b)
	return err
}

// A build is what is known of this program.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// describe picks the interesting parts of info, which may be nil.
func describe(info *debug.BuildInfo) build {
	b := build{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info == nil {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String is one line.
func (b build) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "redlock %s", b.Version)
	if b.Revision != "" {
		fmt.Fprintf(&s, " (%.12s", b.Revision)
		if b.Modified {
			s.WriteString(", with changes")
		}
		s.WriteString(")")
	}
	fmt.Fprintf(&s, ", %s, %s", b.Go, b.Platform)
	return s.String()
}
