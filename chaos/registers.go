package chaos

import (
	"sync"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

// Fencing says what kind of register clients that [Contend] read and write under their leases.
type Fencing uint8

const (
	// NoRegister: they read and write nothing.
	NoRegister Fencing = iota
	// Unfenced: the register takes every write.
	Unfenced
	// Fenced: it admits no token that is smaller than one that it has seen, as package fence says.
	Fenced
)

// registers are what locks protect in a run: a register for each name, which tells the run what it does, in
// the order in which it does it.
type registers struct {
	mu   sync.Mutex
	each map[string]*register
}

type register struct {
	newest uint64
	data   string
}

// access does something to the register of a lease, and reports whether it was let.
func (r *registers) access(h *Held, fencing Fencing, do func(*register) Event) bool {
	h.client.pass()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.each == nil {
		r.each = make(map[string]*register)
	}
	reg := r.each[h.about.Name]
	if reg == nil {
		reg = new(register)
		r.each[h.about.Name] = reg
	}
	if fencing == Fenced && fence.Check(h.about.Name, h.about.Token, reg.newest) != nil {
		return false
	}
	reg.newest = max(reg.newest, h.about.Token)
	h.client.recorder.Append(do(reg))
	return true
}

// read reads the register that the lease protects, and reports whether it was let.
func (h *Held) read(fencing Fencing) bool {
	return h.client.recorder.registers.access(h, fencing, func(r *register) Event {
		e := h.about.as(Read)
		e.Data = r.data
		return e
	})
}

// write writes something new to the register, whether the lease is valid or not: nobody can look at a lease and
// write in one step. A write that is refused is written down, too.
func (h *Held) write(fencing Fencing) {
	e := h.about.as(Wrote)
	e.Data = h.about.id().String()
	taken := h.client.recorder.registers.access(h, fencing, func(r *register) Event {
		r.data, e.Held = e.Data, true
		return e
	})
	if !taken {
		h.client.recorder.Append(e)
	}
}
