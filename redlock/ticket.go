package redlock

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
)

// ticketVersion is the first byte of a ticket. A reader refuses versions that it does not know.
const ticketVersion = 1

// newTicket packs what another process needs to take a lease over: the key and the value.
func newTicket(key, value string) string {
	buf := make([]byte, 0, 1+binary.MaxVarintLen64+len(key)+len(value))
	buf = append(buf, ticketVersion)
	buf = binary.AppendUvarint(buf, uint64(len(key)))
	buf = append(buf, key...)
	buf = append(buf, value...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// parseTicket is the inverse of newTicket.
func parseTicket(ticket string) (key, value string, err error) {
	buf, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil {
		return "", "", fmt.Errorf("ticket %.20q is not one of Lease.Ticket: %w", ticket, err)
	}
	if len(buf) == 0 || buf[0] != ticketVersion {
		return "", "", fmt.Errorf("ticket %.20q is not of version %d", ticket, ticketVersion)
	}
	size, n := binary.Uvarint(buf[1:])
	if n <= 0 || size > uint64(len(buf)-1-n) {
		return "", "", fmt.Errorf("ticket %.20q is cut short", ticket)
	}
	rest := buf[1+n:]
	key, value = string(rest[:size]), string(rest[size:])
	if value == "" {
		return "", "", fmt.Errorf("ticket %.20q holds no value", ticket)
	}
	return key, value, errors.Join(validateKey(key))
}
