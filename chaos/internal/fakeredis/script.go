package fakeredis

import (
	"crypto/sha1"
	"encoding/hex"
	"strings"
)

// A Script is what the server runs in place of a Lua script. It must be the same at all times for the
// same arguments and store.
type Script func(c *Call) Reply

// A twin is a script under the name by which executions are reported.
type twin struct {
	name string
	run  Script
	// parts are reported by the script itself.
	parts bool
}

// scripts is what a server knows of scripts, by the SHA1 of the source, as clients name them.
type scripts struct {
	registered map[string]twin
	cache      map[string]twin
}

func newScripts() scripts {
	return scripts{registered: make(map[string]twin), cache: make(map[string]twin)}
}

func (s *scripts) flush() { clear(s.cache) }

// load puts a source into the cache.
func (s *scripts) load(source string) (sha string, t twin, fault Fault) {
	sha = digest(source)
	t, known := s.cache[sha]
	if known {
		return sha, t, ""
	}
	if t, known = s.registered[sha]; !known {
		t, known = twinOf(source)
	}
	if !known {
		first, _, _ := strings.Cut(source, "\n")
		return sha, t, Fault("ERR fakeredis has no Go twin of the script that begins with: " + first)
	}
	s.cache[sha] = t
	return sha, t, ""
}

// twinOf recognises the lock's own scripts, by the name in their first line and by their code. A script
// whose code is not the one that its twin was written for is not recognised.
func twinOf(source string) (twin, bool) {
	title, _, _ := strings.Cut(source, ".lua")
	name := strings.TrimPrefix(title, "-- ")
	known, found := twins[name]
	return twin{name: name, run: known.run, parts: true}, found && known.code == digest(code(source))
}

// digest is SHA1 as Redis writes it.
func digest(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// code is a Lua source without lines that hold nothing, or a comment only.
func code(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// Register lets the server run twin where a client sends source, and report it as name. The lock's own
// scripts are known without it. As in Redis, EVALSHA works once EVAL or SCRIPT LOAD has shown the
// source.
func (s *Server) Register(name, source string, run Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts.registered[digest(source)] = twin{name: name, run: run}
	delete(s.scripts.cache, digest(source))
}

func eval(e *execution) Reply {
	keys, argv, fault := e.scriptArguments()
	if fault != "" {
		return fault
	}
	sha, t, fault := e.server.scripts.load(e.args[1])
	if fault != "" {
		return fault
	}
	return e.runScript(sha, t, keys, argv)
}

func evalSHA(e *execution) Reply {
	keys, argv, fault := e.scriptArguments()
	if fault != "" {
		return fault
	}
	sha := strings.ToLower(e.args[1])
	t, known := e.server.scripts.cache[sha]
	if !known {
		return Fault("NOSCRIPT No matching script. Please use EVAL.")
	}
	return e.runScript(sha, t, keys, argv)
}

// scriptArguments splits what follows the script into KEYS and ARGV.
func (e *execution) scriptArguments() (keys, argv []string, fault Fault) {
	n, fine := plainInteger(e.args[2])
	rest := e.args[3:]
	switch {
	case !fine:
		return nil, nil, notInteger
	case n > len(rest):
		return nil, nil, "ERR Number of keys can't be greater than number of args"
	case n < 0:
		return nil, nil, "ERR Number of keys can't be negative"
	}
	return rest[:n], rest[n:], ""
}

func (e *execution) runScript(sha string, t twin, keys, argv []string) Reply {
	c := &Call{e: e, sha: sha, keys: keys, argv: argv}
	from := e.session.cable
	about := Execution{Client: from.link.client, Connection: from.number, Op: t.name}
	if len(argv) > 0 {
		about.Asked = argv[0]
	}
	run := func() Reply {
		reply := t.run(c)
		if c.fault != "" {
			return c.fault
		}
		return reply
	}
	if t.parts {
		return run()
	}
	return e.server.audited(about, e.session.db, keys, run)
}

func scriptLoad(e *execution) Reply {
	sha, _, fault := e.server.scripts.load(e.args[2])
	if fault != "" {
		return fault
	}
	return Bulk(sha)
}

func scriptExists(e *execution) Reply {
	var list Array
	for _, sha := range e.args[2:] {
		n := Integer(0)
		if _, known := e.server.scripts.cache[strings.ToLower(sha)]; known {
			n = 1
		}
		list = append(list, n)
	}
	return list
}

func scriptFlush(e *execution) Reply {
	if len(e.args) > 3 || len(e.args) == 3 && !isMode(e.args[2]) {
		return Fault("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
	}
	e.server.scripts.flush()
	return ok
}
