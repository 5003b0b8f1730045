package fakeredis

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
)

// A cable is one connection: a wire each way, and an end at each side. Fields that change are guarded
// by the link's mu.
type cable struct {
	link   *Link
	number int // among the client's connections to this server, from 1
	up     *wire
	down   *wire
	near   *conn // the client's
	far    *conn // the server's

	open  int  // how many ends are
	taken bool // the server has accepted it
}

// connect makes the next connection. The caller holds mu.
func (l *Link) connect() *cable {
	l.dialed++
	c := &cable{link: l, number: l.dialed, open: 2}
	c.up = newWire(c, &l.up, classOf(l.client, l.server.number, c.number, 0))
	c.down = newWire(c, &l.down, classOf(l.client, l.server.number, c.number, 1))
	c.near = &conn{cable: c, in: c.down, out: c.up, name: peer(fmt.Sprintf("client-%d:%d", l.client, c.number))}
	c.far = &conn{cable: c, in: c.up, out: c.down, name: peer(l.server.name)}
	l.cables = append(l.cables, c)
	return c
}

// ended notes that one end is closed, and forgets the cable when both are.
func (c *cable) ended() {
	c.open--
	if c.open == 0 {
		l := c.link
		l.cables = slices.DeleteFunc(l.cables, func(other *cable) bool { return other == c })
	}
}

// sever breaks the connection between its ends.
func (c *cable) sever() {
	c.up.sever()
	c.down.sever()
}

// abort ends the server's end as a process that dies does: what it has sent still arrives.
func (c *cable) abort() {
	if !c.far.closed {
		c.far.end(resetting, syscall.ECONNRESET)
	}
}

// cut ends both ends at once.
func (c *cable) cut() {
	for _, end := range []*conn{c.far, c.near} {
		if !end.closed {
			end.in.deafen(syscall.ECONNRESET)
		}
	}
}

func isEOF(err error) bool { return errors.Is(err, io.EOF) }
