package fakeredis

import "slices"

// CutSubscribers breaks every connection of the link that subscribes to anything, as [Link.Reset] breaks all. It
// returns how many there were.
func (l *Link) CutSubscribers() int {
	subscribe := l.server.subscribers(l)
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, c := range l.cables {
		if slices.Contains(subscribe, c) {
			c.sever()
			n++
		}
	}
	return n
}

// subscribers returns the link's connections that subscribe to anything, in no order.
func (s *Server) subscribers(l *Link) []*cable {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*cable
	for _, sessions := range s.channels {
		for _, who := range sessions {
			if who.cable.link == l {
				list = append(list, who.cable)
			}
		}
	}
	return list
}
