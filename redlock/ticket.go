package redlock

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/quorumlock/quorumlock/quorum"
)

// ticketVersion is the first byte of a ticket. A reader refuses versions that it does not know.
const ticketVersion = 2

// newTicket packs what another process needs to take a lease over: the token, or 0, the key and the value.
func newTicket(token uint64, key, value string) string {
	buf := make([]byte, 0, 1+2*binary.MaxVarintLen64+len(key)+len(value))
	buf = append(buf, ticketVersion)
	buf = binary.AppendUvarint(buf, token)
	buf = binary.AppendUvarint(buf, uint64(len(key)))
	buf = append(buf, key...)
	buf = append(buf, value...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// parseTicket is the inverse of newTicket.
func parseTicket(ticket string) (token uint64, key, value string, err error) {
	fail := func(format string, args ...any) (uint64, string, string, error) {
		return 0, "", "", fmt.Errorf("ticket %.20q "+format, append([]any{ticket}, args...)...)
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil {
		return fail("is not one of Lease.Ticket: %w", err)
	}
	if len(buf) == 0 || buf[0] != ticketVersion {
		return fail("is not of version %d", ticketVersion)
	}
	token, n := binary.Uvarint(buf[1:])
	if n <= 0 || token >= quorum.MaxToken {
		return fail("holds no token below 2^53")
	}
	buf = buf[1+n:]
	size, n := binary.Uvarint(buf)
	if n <= 0 || size > uint64(len(buf)-n) {
		return fail("is cut short")
	}
	rest := buf[n:]
	key, value = string(rest[:size]), string(rest[size:])
	if value == "" {
		return fail("holds no value")
	}
	if newTicket(token, key, value) != ticket {
		return fail("is not written as Lease.Ticket does")
	}
	return token, key, value, errors.Join(validateKey(key))
}
