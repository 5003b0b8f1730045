package redisserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const host = "127.0.0.1"

// Systems give ports from 32768 (Linux) or 49152 up to whoever asks for any, outgoing connections
// included. A killed server's port would soon be lost there, so servers live below.
const (
	firstPort = 12000
	ports     = 20000
)

// freePort returns a port on which nobody listens right now.
func freePort() (int, error) {
	var last error
	for range 64 {
		port := firstPort + rand.IntN(ports)
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		last = err
	}
	return 0, fmt.Errorf("redisserver: no free port: %w", last)
}
