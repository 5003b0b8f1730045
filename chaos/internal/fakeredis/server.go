package fakeredis

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// A Server keeps string keys in memory, as a Redis 7.0 does, and can be killed, paused, wiped and put
// out of time. [New] makes one. All methods may be called from several goroutines.
//
// It knows AUTH, CLIENT (GETNAME, ID, SETINFO, SETNAME), DEL, EVAL, EVALSHA, EXISTS, FLUSHALL, GET,
// HELLO, INCR, PERSIST, PEXPIRE, PING, PTTL, PUBLISH, QUIT, RESET, SCRIPT (EXISTS, FLUSH, LOAD), SELECT, SET,
// SUBSCRIBE, TIME, TTL and UNSUBSCRIBE. Every other command is unknown to it.
type Server struct {
	name     string
	number   int
	seed     uint64
	password string
	audit    func(Execution)
	table    map[string]command
	closed   chan struct{}
	sessions sync.WaitGroup // grows under mu only

	mu       sync.Mutex
	shut     bool
	down     bool
	life     int           // counts the kills
	resumed  chan struct{} // closed by Resume; nil while the server runs
	wall     wall
	store    store
	scripts  scripts
	links    []*Link               // by client
	channels map[string][]*session // their subscribers, in the order in which they came
	unheard  float64               // the share of messages that are lost
	clients  int64                 // that there were so far
}

// An Option changes how a server is made.
type Option interface{ apply(*Server) }

type optionFunc func(*Server)

func (f optionFunc) apply(s *Server) { f(s) }

// WithSeed decides all delays. The default is 0.
func WithSeed(seed uint64) Option {
	return optionFunc(func(s *Server) { s.seed = seed })
}

// WithPassword makes clients authenticate, as the user default. Without it the server has no
// password.
func WithPassword(password string) Option {
	return optionFunc(func(s *Server) { s.password = password })
}

// WithAudit hands every execution on a key to audit, in order and before anybody learns the answer.
// audit must not call the server or its links.
func WithAudit(audit func(Execution)) Option {
	return optionFunc(func(s *Server) { s.audit = audit })
}

// New returns an empty, healthy server. number tells it from the other servers of a run, from 0 on, and
// its name from it. Its wall clock agrees with package time, and runs as clk does.
func New(number int, clk clock.Clock, opts ...Option) *Server {
	s := &Server{
		name: fmt.Sprintf("fake-%d", number), number: number, table: commands(), closed: make(chan struct{}),
		wall: newWall(clk), store: newStore(), scripts: newScripts(), channels: make(map[string][]*session),
	}
	for _, o := range opts {
		o.apply(s)
	}
	return s
}

// Name returns "fake-" and the number: the address in [Link.Options].
func (s *Server) Name() string { return s.name }

// Link returns the network between a client and the server: the same one for the same number.
func (s *Server) Link(client int) *Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, found := slices.BinarySearchFunc(s.links, client, func(l *Link, client int) int {
		return cmp.Compare(l.client, client)
	})
	if !found {
		s.links = slices.Insert(s.links, i, &Link{server: s, client: client})
	}
	return s.links[i]
}

// accept begins a connection, unless the server is closed. Whether the server is up turns out when
// the client's message arrives.
func (s *Server) accept(l *Link) *cable {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.connect()
	c.up.send(segment{signal: opening})
	s.sessions.Go(func() { newSession(s, c).run() })
	return c
}

// onCables does something to every open connection, in a stable order. The caller holds mu.
func (s *Server) onCables(do func(*cable)) {
	for _, l := range s.links {
		l.mu.Lock()
		for _, c := range slices.Clone(l.cables) {
			do(c)
		}
		l.mu.Unlock()
	}
}

// Close breaks all connections and joins the server's goroutines. Dials fail from then on. Calls
// after the first do nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	if !s.shut {
		s.shut = true
		close(s.closed)
		s.onCables((*cable).cut)
	}
	s.mu.Unlock()
	s.sessions.Wait()
	return nil
}

// millis is the wall clock as commands see it. The caller holds mu.
func (s *Server) millis() int64 { return s.wall.now().Milliseconds() }

// Time returns the server's wall clock: the time since the Unix epoch.
func (s *Server) Time() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wall.now()
}
