package faultproxy

import (
	"math/rand/v2"
	"net"
	"sync"
)

// An ending is how both sides see a connection end.
type ending int

const (
	closing   ending = iota // as an end of stream
	resetting               // as a reset
)

// A link is one client's connection and the one to the server that belongs to it. Two pipes carry
// its bytes.
type link struct {
	proxy          *Proxy
	id             int
	client, server *net.TCPConn
	over           chan struct{} // closed by the first end
	ending         sync.Once

	mu     sync.Mutex
	asked  int       // commands read from the client so far
	doomed int       // the number of the command whose reply is dropped; 0 for none
	then   AfterDrop // what happens after that
}

func newLink(p *Proxy, id int, client, server *net.TCPConn) *link {
	return &link{proxy: p, id: id, client: client, server: server, over: make(chan struct{})}
}

// run carries bytes in both directions until the link is over.
func (l *link) run() {
	if !l.join() {
		l.end(closing)
		return
	}
	defer l.leave()
	up := l.newPipe(ToServer, l.client, l.server)
	down := l.newPipe(ToClient, l.server, l.client)
	var work sync.WaitGroup
	for _, step := range []func(){up.read, up.deliver, down.read, down.deliver} {
		work.Go(step)
	}
	work.Wait()
}

func (l *link) newPipe(dir Direction, src, dst *net.TCPConn) *pipe {
	return &pipe{
		link: l, dir: dir, src: src, dst: dst, chunks: make(chan chunk, maxChunks),
		rng: rand.New(rand.NewPCG(l.proxy.seed, uint64(l.id)<<2|uint64(dir))),
	}
}

// join makes the link known to the proxy, unless that was closed meanwhile.
func (l *link) join() bool {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	if l.proxy.ctx.Err() != nil {
		return false
	}
	l.proxy.links[l] = struct{}{}
	return true
}

func (l *link) leave() {
	l.proxy.mu.Lock()
	defer l.proxy.mu.Unlock()
	delete(l.proxy.links, l)
}

// end ends both connections. The first call decides how.
func (l *link) end(how ending) {
	l.ending.Do(func() {
		close(l.over)
		for _, conn := range []*net.TCPConn{l.client, l.server} {
			if how == resetting {
				_ = conn.SetLinger(0)
			}
			_ = conn.Close()
		}
	})
}

// count numbers a command that was read from the client, and dooms its reply if a fault says so. A
// link whose reply is already doomed ends with it, and takes no second one.
func (l *link) count(c Command) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.doomed == 0 {
		if then, hit := l.proxy.takeDrop(c); hit {
			l.doomed, l.then = l.asked, then
		}
	}
}

// isDoomed reports whether the reply to the command of this number is to be dropped.
func (l *link) isDoomed(number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.doomed != 0 && number >= l.doomed
}
