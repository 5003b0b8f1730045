package fakeredis

import (
	"sync/atomic"
	"time"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/faultproxy"
)

// A session is one connection as the server sees it. One goroutine runs it.
type session struct {
	server *Server
	cable  *cable
	conn   *conn
	id     int64
	life   int // of the server, when it accepted the connection

	pending []byte      // read, and not yet carried out
	out     []byte      // replies to send
	muted   atomic.Bool // replies go nowhere
	quit    bool        // no more commands are wanted

	protocol int
	db       int
	name     string
	trusted  bool // has authenticated

	channels  []string // subscribed to; guarded by the server's mu, as is the next
	published uint64   // messages for it so far
}

func newSession(s *Server, c *cable) *session {
	return &session{server: s, cable: c, conn: c.far, protocol: 2, trusted: s.password == ""}
}

// run serves the connection until one side ends it.
func (s *session) run() {
	defer s.end()
	if !s.accept() {
		return
	}
	buf := make([]byte, 4<<10)
	for !s.quit {
		n, err := s.conn.Read(buf)
		s.pending = append(s.pending, buf[:n]...)
		if n > 0 && !s.awaitRunning() || err != nil {
			return
		}
		s.work()
	}
}

func (s *session) end() {
	_ = s.conn.Close() // it may have been broken
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.unsubscribeAll(s)
}

// accept waits for the client's first message, and answers it.
func (s *session) accept() bool {
	for {
		said, err := s.conn.trySignal()
		switch {
		case err != nil:
			return false
		case said == opening:
			return s.welcome()
		}
		s.conn.in.wait(nil)
	}
}

// welcome takes the connection, unless the server is down.
func (s *session) welcome() bool {
	srv := s.server
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.down {
		s.cable.link.refuse()
		s.conn.signal(refused)
		return false
	}
	s.life = srv.life
	srv.clients++
	s.id = srv.clients
	s.take()
	s.conn.signal(accepted)
	return true
}

// take marks the connection as one that the server has.
func (s *session) take() {
	s.cable.link.mu.Lock()
	defer s.cable.link.mu.Unlock()
	s.cable.taken = true
}

func (l *Link) refuse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects.Refused++
}

// awaitRunning waits until the server is not paused, and reports whether it still has the
// connection.
func (s *session) awaitRunning() bool {
	for {
		resumed, alive := s.state()
		if resumed == nil || !alive {
			return alive
		}
		s.arrivedLate()
		select {
		case <-resumed:
		case <-s.server.closed:
			return false
		}
		s.standInLine()
	}
}

// state returns what to wait for before working on, if the server is paused, and whether it is still
// the one that accepted the connection.
func (s *session) state() (resumed <-chan struct{}, alive bool) {
	srv := s.server
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return srv.resumed, !srv.shut && srv.life == s.life
}

func (s *session) arrivedLate() {
	l := s.cable.link
	l.mu.Lock()
	defer l.mu.Unlock()
	l.effects.Late++
}

// standInLine waits for an instant that no other connection has, so that those which were paused
// together go on one by one.
func (s *session) standInLine() {
	timer := time.NewTimer(s.lateness())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.server.closed:
	}
}

func (s *session) lateness() time.Duration {
	l := s.cable.link
	l.mu.Lock()
	defer l.mu.Unlock()
	d, present := s.cable.up.dice(), now()
	return time.Duration(s.cable.up.ownInstant(present+1+int64(d.UpTo(spread))) - present)
}

// work carries out the commands that are there, and sends their replies as one message.
func (s *session) work() {
	for !s.quit {
		args, length, err := parseRequest(s.pending)
		if err != nil {
			s.say(Fault(err.Error()))
			s.quit = true
		}
		if length == 0 {
			break
		}
		s.pending = s.pending[length:]
		if len(args) > 0 {
			s.obey(args)
		}
	}
	s.flush()
}

// flush sends the replies that there are as one message.
func (s *session) flush() {
	if len(s.out) > 0 {
		_, _ = s.conn.Write(s.out) // a client that is gone does not want it
		s.out = s.out[:0]
	}
}

// obey carries out one command.
func (s *session) obey(args []string) {
	reply, alive := s.server.execute(s, args)
	if !alive {
		s.quit = true
		return
	}
	if reply != (answered{}) {
		s.reply(args, reply)
	}
}

// reply notes the reply to a command, if it is to arrive.
func (s *session) reply(args []string, reply Reply) {
	if then, hit := s.cable.link.takeDrop(args); hit && !s.muted.Load() {
		s.silence(then)
		return
	}
	s.say(reply)
}

// silence lets no more replies arrive.
func (s *session) silence(then faultproxy.AfterDrop) {
	s.flush()
	s.muted.Store(true)
	if then == faultproxy.ThenReset {
		s.cable.link.mu.Lock()
		defer s.cable.link.mu.Unlock()
		s.cable.abort()
	}
}

func (s *session) say(reply Reply) {
	if !s.muted.Load() {
		s.out = reply.encode(s.out, s.protocol)
	}
}
