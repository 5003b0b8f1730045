package quorum

import "sync"

// events tells the observer, apart from the goroutines that notice: those read answers, for which others
// wait, and an observer may do as it likes. Its zero value is ready.
type events struct {
	mu      sync.Mutex
	queue   []func()
	telling bool
}

// tell lets f be called after all earlier ones. Only a public call, or something that Close waits for, may
// call it.
func (e *Engine) tell(f func()) {
	e.events.mu.Lock()
	defer e.events.mu.Unlock()
	e.events.queue = append(e.events.queue, f)
	if !e.events.telling {
		e.events.telling = true
		e.spawn(e.tellAll)
	}
}

func (e *Engine) tellAll() {
	for {
		e.events.mu.Lock()
		queue := e.events.queue
		e.events.queue = nil
		e.events.telling = len(queue) > 0
		e.events.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

func (e *Engine) tellHealed(key string, i int) {
	if healed := e.observer.Healed; healed != nil {
		e.tell(func() { healed(key, e.peers[i].node.Name()) })
	}
}

func (p *peer) tellDown(last error) {
	if down := p.engine.observer.Down; down != nil {
		p.engine.tell(func() { down(p.node.Name(), last) })
	}
}

func (p *peer) tellUp() {
	if up := p.engine.observer.Up; up != nil {
		p.engine.tell(func() { up(p.node.Name()) })
	}
}
