package redisnode

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestClassifyServerErrors(t *testing.T) {
	const (
		sha = "5c8ab2dcfd1a8b2c7f2a9f0f2f4b1d1c0a9e8d7c"
		old = "ERR Error running script (call to f_" + sha + "): @user_script:8: @user_script: 8: "
	)
	tests := map[string]struct {
		reply, code string
		permanent   bool
	}{
		"no password given":     {"NOAUTH Authentication required.", "NOAUTH", true},
		"wrong password":        {"WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS", true},
		"wrong password, old":   {"ERR invalid password", "ERR", true},
		"needless password":     {"ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?", "ERR", true},
		"needless password, 5":  {"ERR Client sent AUTH, but no password is set", "ERR", true},
		"no right":              {"NOPERM User lock has no permissions to run the 'evalsha' command", "NOPERM", true},
		"no right in script, 7": {"NOPERM ACL failure in script: User lock has no permissions to run the 'set' command script: " + sha + ", on @user_script:21.", "NOPERM", true},
		"no right in script, 7.0": {
			"ERR ACL failure in script: User lock has no permissions to run the 'set' command script: " + sha + ", on @user_script:21.",
			"NOPERM", true,
		},
		"no right in script, 6": {old + "The user executing the script can't run this command or subcommand", "NOPERM", true},
		"no right to key, 6":    {old + "The user executing the script can't access at least one of the keys mentioned in the command arguments", "NOPERM", true},
		"no lock":               {"WRONGTYPE Operation against a key holding the wrong kind of value script: " + sha + ", on @user_script:19.", "WRONGTYPE", true},
		"no lock, 6":            {old + "WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE", true},
		"no lock, 6, dash":      {old + "-WRONGTYPE Operation against a key holding the wrong kind of value", "WRONGTYPE", true},
		"protected mode":        {"DENIED Redis is running in protected mode because protected mode is enabled", "DENIED", true},
		"cluster, elsewhere":    {"MOVED 3999 127.0.0.1:6381", "MOVED", true},
		"cluster, on the move":  {"ASK 3999 127.0.0.1:6381", "ASK", true},
		"cluster, two slots":    {"CROSSSLOT Keys in request don't hash to the same slot", "CROSSSLOT", true},
		"cluster, database":     {"ERR SELECT is not allowed in cluster mode", "ERR", true},
		"unknown command":       {"ERR unknown command 'evalsha', with args beginning with: 'x'", "ERR", true},
		"unknown command, 6":    {"ERR unknown command `EVALSHA`, with args beginning with: `x`", "ERR", true},
		"unknown in script":     {"ERR Unknown Redis command called from script script: " + sha + ", on @user_script:17.", "ERR", true},
		"unknown in script, 6":  {old + "Unknown Redis command called from Lua script", "ERR", true},
		"no such database":      {"ERR DB index is out of range", "ERR", true},

		"cluster down":        {"CLUSTERDOWN Hash slot not served", "CLUSTERDOWN", false},
		"cluster, try again":  {"TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN", false},
		"loading":             {"LOADING Redis is loading the dataset in memory", "LOADING", false},
		"busy":                {"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY", false},
		"replica":             {"READONLY You can't write against a read only replica. script: " + sha + ", on @user_script:21.", "READONLY", false},
		"replica, 6":          {old + "-READONLY You can't write against a read only replica.", "READONLY", false},
		"no memory":           {"OOM command not allowed when used memory > 'maxmemory'. script: " + sha + ", on @user_script:21.", "OOM", false},
		"no memory, 6":        {old + "-OOM command not allowed when used memory > 'maxmemory'.", "OOM", false},
		"no disk":             {"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "MISCONF", false},
		"no disk, 6":          {old + "-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", "MISCONF", false},
		"no master":           {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN", false},
		"no replicas":         {"NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", false},
		"no replicas, 6":      {old + "-NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", false},
		"too many clients":    {"ERR max number of clients reached", "ERR", false},
		"anything else":       {"ERR something", "ERR", false},
		"a code of its own":   {"QUARANTINE until noon", "QUARANTINE", false},
		"no code at all":      {"something", "", false},
		"nothing":             {"", "", false},
		"a code in the words": {"something -OOM", "", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := classify(fmt.Errorf("wrapped: %w", serverError(tc.reply)))
			if alone := classify(serverError(tc.reply)); alone.code != tc.code || alone.permanent != tc.permanent {
				t.Errorf("classify(%q) = %q, permanent %v; want %q, %v", tc.reply, alone.code, alone.permanent, tc.code, tc.permanent)
			}
			if got.permanent && got.advice == "" {
				t.Errorf("no advice on %q, which does not mend itself", tc.reply)
			}
		})
	}
}

func TestClassifyOtherErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	tests := map[string]struct {
		err       error
		permanent bool
	}{
		"refused":              {refused, false},
		"reset":                {syscall.ECONNRESET, false},
		"cut off":              {io.EOF, false},
		"out of time":          {context.DeadlineExceeded, false},
		"closed":               {redis.ErrClosed, false},
		"pool full":            {redis.ErrPoolTimeout, false},
		"no such host":         {&net.DNSError{Err: "no such host", IsNotFound: true}, false},
		"unknown authority":    {x509.UnknownAuthorityError{}, true},
		"wrong host":           {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, true},
		"certificate run out":  {x509.CertificateInvalidError{Reason: x509.Expired}, true},
		"not verified":         {&tls.CertificateVerificationError{Err: errors.New("no")}, true},
		"no TLS there":         {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, true},
		"our certificate":      {&net.OpError{Op: "remote error", Err: tls.AlertError(42)}, true},
		"server's own trouble": {&net.OpError{Op: "remote error", Err: tls.AlertError(80)}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := classify(fmt.Errorf("wrapped: %w", tc.err))
			if got.code != "" || got.permanent != tc.permanent || got.permanent && got.advice == "" {
				t.Errorf("classify(%v) = %+v; want no code, permanent %v, and advice if so", tc.err, got, tc.permanent)
			}
		})
	}
}

func TestEchoIsCutOff(t *testing.T) {
	reply := serverError("ERR unknown command 'AUTH', with args beginning with: 'alice' 'hunter2' ")
	got := withoutEcho(fmt.Errorf("failed to authenticate: %w", reply))
	if strings.Contains(got.Error(), "hunter2") || !strings.Contains(got.Error(), "unknown command 'AUTH'") || !fromServer(got) {
		t.Errorf("withoutEcho(%q) = %q", reply, got)
	}
	var deep serverError
	if errors.As(got, &deep) && strings.Contains(string(deep), "hunter2") {
		t.Errorf("the cause still holds the password: %q", deep)
	}
	for _, other := range []error{io.EOF, serverError("ERR other")} {
		if got := withoutEcho(other); !errors.Is(got, other) || got.Error() != other.Error() {
			t.Errorf("withoutEcho(%q) = %q", other, got)
		}
	}
}
