package fakeredis

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	wrongPass  = Fault("WRONGPASS invalid username-password pair or user is disabled.")
	noPassword = Fault("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	helloFirst = Fault("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> " +
		"option can be used to authenticate the client and select the RESP protocol version at the same time")
	badName = Fault("ERR Client names cannot contain spaces, newlines or special characters.")
)

// trust judges user and password. A server without a password lets everybody in who says "default".
func (e *execution) trust(user, password string) bool {
	own := e.server.password
	if user != "default" || own != "" && password != own {
		return false
	}
	e.session.trusted = true
	return true
}

func auth(e *execution) Reply {
	user, password := "default", e.args[1]
	switch {
	case len(e.args) > 3:
		return badSyntax
	case len(e.args) == 3:
		user, password = e.args[1], e.args[2]
	case e.server.password == "":
		return noPassword
	}
	if !e.trust(user, password) {
		return wrongPass
	}
	return ok
}

// greeting is what HELLO was told.
type greeting struct {
	protocol       int
	auth, named    bool
	user, password string
	name           string
}

func hello(e *execution) Reply {
	g, fault := e.parseHello()
	if fault != "" {
		return fault
	}
	if g.auth && !e.trust(g.user, g.password) {
		return wrongPass
	}
	s := e.session
	switch {
	case !s.trusted:
		return helloFirst
	case g.named && !validName(g.name):
		return badName
	case g.named:
		s.name = g.name
	}
	s.protocol = g.protocol
	return pairs{
		Bulk("server"), Bulk("redis"), Bulk("version"), Bulk("7.0.15"), Bulk("proto"), Integer(s.protocol),
		Bulk("id"), Integer(s.id), Bulk("mode"), Bulk("standalone"), Bulk("role"), Bulk("master"),
		Bulk("modules"),
		Array{},
	}
}

func (e *execution) parseHello() (g greeting, fault Fault) {
	g.protocol = e.session.protocol
	if len(e.args) == 1 {
		return g, ""
	}
	n, err := strconv.Atoi(e.args[1])
	switch {
	case err != nil:
		return g, "ERR Protocol version is not an integer or out of range"
	case n != 2 && n != 3:
		return g, "NOPROTO unsupported protocol version"
	}
	g.protocol = n
	for words := e.args[2:]; len(words) > 0; {
		switch word := strings.ToUpper(words[0]); {
		case word == "AUTH" && len(words) > 2:
			g.auth, g.user, g.password = true, words[1], words[2]
			words = words[3:]
		case word == "SETNAME" && len(words) > 1:
			g.named, g.name = true, words[1]
			words = words[2:]
		default:
			return g, Fault(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", words[0]))
		}
	}
	return g, ""
}

func validName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool { return r < '!' || r > '~' })
}

func clientSetName(e *execution) Reply {
	if !validName(e.args[2]) {
		return badName
	}
	e.session.name = e.args[2]
	return ok
}

func clientGetName(e *execution) Reply {
	if e.session.name == "" {
		return Null{}
	}
	return Bulk(e.session.name)
}

func clientID(e *execution) Reply { return Integer(e.session.id) }

// clientSetInfo is of Redis 7.2; nobody asks for what it is told.
func clientSetInfo(e *execution) Reply {
	switch strings.ToLower(e.args[2]) {
	case "lib-name", "lib-ver":
		return ok
	}
	return Fault("ERR Unrecognized option '" + e.args[2] + "'")
}

func selectDB(e *execution) Reply {
	n, fine := plainInteger(e.args[1])
	switch {
	case !fine:
		return notInteger
	case n < 0 || n >= databases:
		return Fault("ERR DB index is out of range")
	}
	e.session.db = n
	return ok
}

func ping(e *execution) Reply {
	subscriber := len(e.session.channels) > 0 && e.session.protocol == 2
	switch n := len(e.args); {
	case subscriber && n < 3:
		return Array{Bulk("pong"), Bulk(strings.Join(e.args[1:], ""))}
	case n == 1:
		return Status("PONG")
	case n == 2:
		return Bulk(e.args[1])
	}
	return wrongNumber("ping")
}

func quit(e *execution) Reply {
	e.session.quit = true
	return ok
}

// reset makes the session what it was when it began.
func reset(e *execution) Reply {
	s := e.session
	e.server.unsubscribeAll(s)
	s.protocol, s.db, s.name, s.trusted = 2, 0, "", e.server.password == ""
	return Status("RESET")
}
