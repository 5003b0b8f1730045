package redisnode_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

func TestTLS(t *testing.T) {
	_, addr, roots := tlsServer(t)
	quorumtest.NoLeaks(t)
	trusting := &redis.Options{Addr: addr, TLSConfig: &tls.Config{RootCAs: roots}}
	tests := map[string]struct {
		opts    *redis.Options
		problem string
	}{
		"authority known":                      {trusting, ""},
		"authority known, of another client":   {initialised(t, trusting), ""},
		"authority unknown":                    {&redis.Options{Addr: addr, TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}, "check the certificates"},
		"authority unknown, of another client": {initialised(t, &redis.Options{Addr: addr, TLSConfig: &tls.Config{RootCAs: x509.NewCertPool()}}), "check the certificates"},
		"another server's name":                {&redis.Options{Addr: addr, TLSConfig: &tls.Config{RootCAs: roots, ServerName: "example.com"}}, "example.com"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node := open(t, tc.opts)
			answer := ask(t, node, patience, limited(acquire("key")))
			if tc.problem != "" {
				wantError(t, answer, "", true, tc.problem)
				return
			}
			wantVerdict(t, answer, quorum.Mine)
			wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
		})
	}
}

func TestDeadlineEndsTLSHandshake(t *testing.T) {
	server, addr, roots := tlsServer(t)
	quorumtest.NoLeaks(t)
	node := open(t, &redis.Options{Addr: addr, TLSConfig: &tls.Config{RootCAs: roots}})
	must(t, server.Pause())
	wantError(t, ask(t, node, 50*time.Millisecond, acquire("key")), "", false, "deadline exceeded")
	must(t, server.Resume())
	wantVerdict(t, ask(t, node, patience, acquire("key")), quorum.Mine)
}

// tlsServer starts a server that also listens with TLS, and returns that address and whom to trust.
func tlsServer(t *testing.T) (*redisserver.Server, string, *x509.CertPool) {
	t.Helper()
	quorumtest.RedisServer(t) // skips or fails where there is no server at all
	cert, key, roots := certificate(t)
	addr := freeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	server, err := redisserver.Start(t.Context(), redisserver.WithConfig("--tls-port", port,
		"--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no"))
	if err != nil && strings.Contains(err.Error(), "Bad directive") {
		t.Skipf("this redis-server was built without TLS: %v", err)
	}
	must(t, err)
	t.Cleanup(func() { must(t, server.Close()) })
	return server, addr, roots
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	return listener.Addr().String()
}

// certificate writes a self-signed certificate for the loopback address.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(certFile, certPEM, 0o600))
	must(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certFile, keyFile, roots
}
