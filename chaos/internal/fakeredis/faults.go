package fakeredis

import "time"

// Kill ends the process. Connections break: what the server has sent still arrives, what it has not
// looked at is lost, and dials are refused until [Server.Restart]. Without keepData it has lost its
// memory when it comes back. It has lost its scripts in any case.
func (s *Server) Kill(keepData bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return
	}
	s.down = true
	s.life++
	s.resume()
	s.scripts.flush()
	s.onCables(func(c *cable) {
		if c.taken {
			c.link.effects.Killed++
			c.abort()
		}
	})
	if !keepData {
		s.forget(Execution{Op: "kill", Client: nobody})
	}
}

// nobody is the client of what was done behind the clients' backs.
const nobody = -1

// Restart ends [Server.Kill]. Keys that were kept have gone on expiring.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Pause stops the process, and not its kernel: connections are accepted and bytes taken in, and
// nothing is carried out before [Server.Resume]. A server that is down cannot be paused.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.resumed == nil && !s.down {
		s.resumed = make(chan struct{})
	}
}

// Resume ends [Server.Pause]: what came meanwhile is carried out, be the clients still there or not.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume()
}

func (s *Server) resume() {
	if s.resumed != nil {
		close(s.resumed)
		s.resumed = nil
	}
}

// Wipe forgets every key, as FLUSHALL does.
func (s *Server) Wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(Execution{Op: "wipe", Client: nobody})
}

// StepClock sets the server's clock forward by d, or back if d is negative. Keys live shorter, or
// longer, by as much; those already over stay gone.
func (s *Server) StepClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store.expire(s.millis())
	s.wall.ahead += d
}

// SetClockRate makes the server's clock run at rate from now on: 1.01 is one percent fast.
func (s *Server) SetClockRate(rate float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wall.skewed.SetRate(rate)
}
