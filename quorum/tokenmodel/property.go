package tokenmodel

import "fmt"

// wrong says which promise is broken if the client returns its token now, or nothing.
func (w *World) wrong(s *state, a uint8) string {
	c := s.clients[a]
	for b, other := range s.clients[:w.Clients] {
		if other.phase == returned && other.token == c.token {
			return fmt.Sprintf("%s returns token %d, which %s has returned before", name(a), c.token, name(uint8(b)))
		}
	}
	switch {
	case w.Order == ReturnOrder && c.token <= s.last:
		return fmt.Sprintf("%s returns token %d after %d has been returned", name(a), c.token, s.last)
	case w.Order == BeginOrder && c.token <= c.after:
		return fmt.Sprintf("%s returns token %d, but %d had been returned before it began", name(a), c.token, c.after)
	}
	return ""
}

// name returns the name of a client in texts.
func name(a uint8) string { return string(rune('A' + a)) }
