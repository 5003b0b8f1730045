package redlock

import (
	"crypto/rand"
	"encoding/base64"
)

// A lock's value on the nodes is valueRandom bytes of base64url, a dot, and the holder's label. The
// random part is fresh for every attempt, so that nothing done for an earlier attempt, however late it
// reaches a node, can touch a later one.
const (
	valueEntropy = 16 // bytes: 128 bits
	valueRandom  = (valueEntropy*8 + 5) / 6
)

func newValue(holder string) string {
	var entropy [valueEntropy]byte
	// crypto/rand and not a seeded generator: a machine restored twice from one snapshot must not
	// draw the same value twice. Read never fails; it ends the program instead.
	_, _ = rand.Read(entropy[:])
	buf := make([]byte, valueRandom, valueRandom+1+len(holder))
	base64.RawURLEncoding.Encode(buf, entropy[:])
	buf = append(buf, '.')
	return string(append(buf, holder...))
}

// newWaiterID returns a name that no other Locker has.
func newWaiterID() string {
	var entropy [9]byte
	_, _ = rand.Read(entropy[:]) // see newValue
	return base64.RawURLEncoding.EncodeToString(entropy[:])
}

// holderOf returns the label in a value, or "" if another library wrote it.
func holderOf(value string) string {
	if len(value) <= valueRandom || value[valueRandom] != '.' {
		return ""
	}
	return value[valueRandom+1:]
}
