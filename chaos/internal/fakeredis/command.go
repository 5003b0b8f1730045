package fakeredis

import (
	"fmt"
	"strings"
	"time"
)

// A command is one that the server knows.
type command struct {
	// arity is Redis's: the number of arguments with the name, or, if negative, the least one.
	arity int
	run   func(e *execution) Reply
	keys  func(args []string) []string
	// open commands need no authentication.
	open bool
}

// An execution is a command that is being carried out. The server's mu is held.
type execution struct {
	server  *Server
	session *session
	args    []string // the name first
	now     int64    // the millisecond of the wall clock, the same for all that the command does
}

// commands are all that there are, by their names in lower case. Those of a container are called
// "container|name".
func commands() map[string]command {
	return map[string]command{
		"auth":           {arity: -2, run: auth, open: true},
		"client|getname": {arity: 2, run: clientGetName},
		"client|id":      {arity: 2, run: clientID},
		"client|setinfo": {arity: 4, run: clientSetInfo},
		"client|setname": {arity: 3, run: clientSetName},
		"del":            {arity: -2, run: del, keys: allKeys},
		"eval":           {arity: -3, run: eval},
		"evalsha":        {arity: -3, run: evalSHA},
		"exists":         {arity: -2, run: exists, keys: allKeys},
		"flushall":       {arity: -1, run: flushAll},
		"get":            {arity: 2, run: get, keys: firstKey},
		"hello":          {arity: -1, run: hello, open: true},
		"incr":           {arity: 2, run: incr, keys: firstKey},
		"persist":        {arity: 2, run: persist, keys: firstKey},
		"pexpire":        {arity: -3, run: pexpire, keys: firstKey},
		"ping":           {arity: -1, run: ping},
		"publish":        {arity: 3, run: publish},
		"pttl":           {arity: 2, run: pttl, keys: firstKey},
		"quit":           {arity: -1, run: quit, open: true},
		"reset":          {arity: 1, run: reset, open: true},
		"script|exists":  {arity: -3, run: scriptExists},
		"script|flush":   {arity: -2, run: scriptFlush},
		"script|load":    {arity: 3, run: scriptLoad},
		"select":         {arity: 2, run: selectDB},
		"set":            {arity: -3, run: set, keys: firstKey},
		"subscribe":      {arity: -2, run: subscribe},
		"time":           {arity: 1, run: clockTime},
		"ttl":            {arity: 2, run: ttl, keys: firstKey},
		"unsubscribe":    {arity: -1, run: unsubscribe},
	}
}

// containers are the commands whose first argument is part of the name.
var containers = map[string]bool{"client": true, "script": true}

func allKeys(args []string) []string  { return args[1:] }
func firstKey(args []string) []string { return args[1:2] }

// execute carries out one request of a session, unless the server is no longer there.
func (s *Server) execute(from *session, args []string) (reply Reply, alive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut || s.life != from.life {
		return nil, false
	}
	e := &execution{server: s, session: from, args: args, now: s.millis()}
	name, c, problem := s.find(args)
	switch {
	case problem != "":
		return problem, true
	case !from.trusted && !c.open:
		return Fault("NOAUTH Authentication required."), true
	case len(from.channels) > 0 && from.protocol == 2 && !whileSubscribed[name]:
		return notWhileSubscribed(name), true
	case c.keys == nil:
		return c.run(e), true
	}
	about := Execution{Client: from.cable.link.client, Connection: from.cable.number, Op: name}
	if name == "set" {
		about.Asked = args[2]
	}
	return s.audited(about, from.db, c.keys(args), func() Reply { return c.run(e) }), true
}

// find returns the command that args name, and its name, or what is wrong with them.
func (s *Server) find(args []string) (name string, c command, problem Fault) {
	name = strings.ToLower(args[0])
	if containers[name] {
		if len(args) < 2 {
			return name, c, wrongNumber(name)
		}
		container := name
		name += "|" + strings.ToLower(args[1])
		if _, known := s.table[name]; !known {
			return name, c, Fault(fmt.Sprintf("ERR unknown subcommand '%.128s'. Try %s HELP.", args[1], strings.ToUpper(container)))
		}
	}
	c, known := s.table[name]
	switch {
	case !known:
		return name, c, unknownCommand(args)
	case c.arity > 0 && len(args) != c.arity || len(args) < -c.arity:
		return name, c, wrongNumber(name)
	}
	return name, c, ""
}

func wrongNumber(name string) Fault {
	return Fault(fmt.Sprintf("ERR wrong number of arguments for '%s' command", name))
}

// unknownCommand repeats what was asked for, up to a limit, as Redis does.
func unknownCommand(args []string) Fault {
	var echo strings.Builder
	for _, arg := range args[1:] {
		if left := 128 - echo.Len(); left > 0 {
			fmt.Fprintf(&echo, "'%s' ", arg[:min(left, len(arg))])
		}
	}
	return Fault(fmt.Sprintf("ERR unknown command '%s', with args beginning with: %s", args[0][:min(128, len(args[0]))], echo.String()))
}

// at is the address of a key in the session's database.
func (e *execution) at(key string) address { return address{e.session.db, key} }

// seconds and micros split the wall clock as TIME does.
func (e *execution) time() (seconds, micros int64) {
	t := e.server.wall.now()
	return int64(t / time.Second), int64(t % time.Second / time.Microsecond)
}
