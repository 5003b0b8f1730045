package benchmarks

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// A Machine is where figures come from.
type Machine struct {
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"`
	Kernel   string            `json:"kernel,omitempty"`
	Load     string            `json:"load,omitempty"` // averages of 1, 5 and 15 minutes at the start: work of others
	Go       string            `json:"go"`
	Redis    string            `json:"redis"`
	Revision string            `json:"revision,omitempty"`
	Modules  map[string]string `json:"modules"` // versions of what is measured
}

func thisMachine(ctx context.Context) Machine {
	m := Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(), Cores: runtime.NumCPU(), Go: runtime.Version(),
		Kernel: strings.TrimSpace(readFile("/proc/sys/kernel/osrelease")), Modules: make(map[string]string),
		Redis: "unknown", Revision: revision(ctx), Load: loadAverages(readFile("/proc/loadavg")),
	}
	if out, err := exec.CommandContext(ctx, "redis-server", "--version").Output(); err == nil {
		for word := range strings.FieldsSeq(string(out)) {
			if version, ok := strings.CutPrefix(word, "v="); ok {
				m.Redis = version
			}
		}
	}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range build.Deps {
			if measured(dep.Path) {
				m.Modules[dep.Path] = dep.Version
			}
		}
	}
	return m
}

// measured reports whether the version of a module says something about the figures.
func measured(path string) bool {
	for _, part := range []string{"go-redis", "redsync", "redislock", "etcd.io/etcd/client/v3", "etcd.io/etcd/server"} {
		if strings.Contains(path, part) {
			return true
		}
	}
	return false
}

// revision is the commit that the working directory is at, with a mark if it was changed since.
func revision(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// loadAverages are the first three fields of /proc/loadavg.
func loadAverages(text string) string {
	fields := strings.Fields(text)
	return strings.Join(fields[:min(len(fields), 3)], " ")
}

func cpuModel() string {
	lines := bufio.NewScanner(strings.NewReader(readFile("/proc/cpuinfo")))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func readFile(name string) string {
	text, _ := os.ReadFile(name) // what is not there is not told
	return string(text)
}
