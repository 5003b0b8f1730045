package redisserver

import (
	"bytes"
	"strings"
	"sync"
)

// tailLines is how much of a server's output is kept for error messages.
const tailLines = 30

// readyMark is what Redis and Valkey of all versions print once they have bound their port and
// loaded their memory.
const readyMark = "Ready to accept connections"

// A tail keeps the last lines written to it, and watches for the mark of a ready server.
type tail struct {
	ready chan struct{} // closed when the mark was seen

	mu    sync.Mutex
	part  []byte // of a line that has not ended
	lines []string
	seen  bool
}

func newTail() *tail { return &tail{ready: make(chan struct{})} }

// Write takes output in pieces of any size.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part = append(t.part, p...)
	for {
		line, rest, ended := bytes.Cut(t.part, []byte("\n"))
		if !ended {
			return len(p), nil
		}
		t.keep(string(line))
		t.part = bytes.Clone(rest)
	}
}

// keep adds a line and lets go of the oldest. The caller holds mu.
func (t *tail) keep(line string) {
	t.lines = append(t.lines, line)
	if extra := len(t.lines) - tailLines; extra > 0 {
		t.lines = t.lines[extra:]
	}
	if !t.seen && strings.Contains(line, readyMark) {
		t.seen = true
		close(t.ready)
	}
}

// String returns the lines kept.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines[:len(t.lines):len(t.lines)], string(t.part)), "\n")
}
