package redisnode

import (
	"context"
	"crypto/tls"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/quorumlock/quorumlock/clock"
)

// full are options with a value that matters in every field that a node changes or keeps.
func full() *redis.Options {
	return &redis.Options{
		Addr: "example.com:7000", Username: "alice", Password: "hunter2", DB: 4, ClientName: "me", Protocol: 2,
		TLSConfig: &tls.Config{ServerName: "example.com"}, IdentitySuffix: "x", DisableIdentity: true,
		ConnMaxIdleTime: time.Minute, ConnMaxLifetime: time.Hour,
		CredentialsProvider:        func() (string, string) { return "", "" },
		CredentialsProviderContext: func(context.Context) (string, string, error) { return "", "", nil },
		OnConnect:                  func(context.Context, *redis.Conn) error { return nil },

		MaxRetries: 7, ReadTimeout: -2, WriteTimeout: -1, DialTimeout: time.Minute, DialerRetries: 9,
		DialerRetryBackoff: func(int) time.Duration { return time.Hour }, PoolTimeout: time.Nanosecond,
		PoolSize: 3, MinIdleConns: 2, MaxIdleConns: 1, MaxActiveConns: 1, MaxConcurrentDials: 1, PipelinePoolSize: 5,
		ReadBufferSize: 1, WriteBufferSize: 1, Limiter: limiter{},
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeEnabled},
		ClientSideCacheConfig:    &redis.ClientSideCacheConfig{},
	}
}

type limiter struct{}

func (limiter) Allow() error       { return nil }
func (limiter) ReportResult(error) {}

func TestTunedOptions(t *testing.T) {
	existing := redis.NewClient(&redis.Options{Addr: "example.com:7000", MaxRetries: -1, ReadTimeout: -1, WriteTimeout: -2})
	t.Cleanup(func() { _ = existing.Close() })
	for name, opts := range map[string]*redis.Options{
		"fresh": {Addr: "example.com:7000"}, "full": full(), "another client's": existing.Options(),
	} {
		t.Run(name, func(t *testing.T) {
			before := *opts
			node, err := New(opts, clock.Process())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = node.Close() }()
			if changed := differences(before, *opts); len(changed) > 0 {
				t.Errorf("New changed the caller's %v", changed)
			}
			client := redis.NewClient(&node.opts)
			defer func() { _ = client.Close() }()
			got := client.Options() // as the client library understood them
			if !got.ContextTimeoutEnabled || got.MaxRetries != 0 || got.DialerRetries != 1 || got.DialerRetryBackoff != nil {
				t.Errorf("contexts %v, %d retries, %d dials", got.ContextTimeoutEnabled, got.MaxRetries, got.DialerRetries)
			}
			for what, d := range map[string]time.Duration{"read": got.ReadTimeout, "write": got.WriteTimeout, "pool": got.PoolTimeout} {
				if d <= time.Second {
					t.Errorf("%s timeout %v is not above the longest deadline of an Ask", what, d)
				}
			}
			if got.DialTimeout != time.Second {
				t.Errorf("dial timeout = %v, want 1s", got.DialTimeout)
			}
			if got.PoolSize != 1 || got.MinIdleConns != 0 || got.MaxIdleConns != 0 || got.MaxActiveConns != 0 || got.MaxConcurrentDials != 1 || got.PipelinePoolSize != -1 {
				t.Errorf("pool %d, idle %d to %d, active %d, dials %d, pipeline pool %d", got.PoolSize, got.MinIdleConns,
					got.MaxIdleConns, got.MaxActiveConns, got.MaxConcurrentDials, got.PipelinePoolSize)
			}
			if got.Limiter != nil || got.ClientSideCacheConfig != nil || got.ClientSideCache != nil ||
				got.MaintNotificationsConfig.Mode != maintnotifications.ModeDisabled {
				t.Error("limiter, cache or maintenance notifications are on")
			}
		})
	}
}

func TestKeptOptions(t *testing.T) {
	opts := full()
	changed := differences(*opts, *tune(opts))
	for _, field := range []string{
		"Addr", "Username", "Password", "DB", "ClientName", "Protocol", "TLSConfig", "IdentitySuffix",
		"DisableIdentity", "ConnMaxIdleTime", "ConnMaxLifetime", "CredentialsProvider", "CredentialsProviderContext", "StreamingCredentialsProvider",
	} {
		if changed[field] {
			t.Errorf("%s was not kept", field)
		}
	}
	opts.DialTimeout = 10 * ms
	if own := tune(opts); own.DialTimeout != 10*ms {
		t.Errorf("dial timeout %v; want the caller's 10ms", own.DialTimeout)
	}
	opts.DialTimeout = -1
	if own := tune(opts); own.DialTimeout != time.Second {
		t.Errorf("without a limit of the caller's, dial timeout = %v", own.DialTimeout)
	}
}

// differences names the exported fields in which a and b differ; functions are told apart by their
// code.
func differences(a, b redis.Options) map[string]bool {
	changed := make(map[string]bool)
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		fa, fb, field := va.Field(i), vb.Field(i), va.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		equal := fa.Kind() == reflect.Func && fa.Pointer() == fb.Pointer() ||
			fa.Kind() != reflect.Func && reflect.DeepEqual(fa.Interface(), fb.Interface())
		if !equal {
			changed[field.Name] = true
		}
	}
	return changed
}

func TestUnusableOptions(t *testing.T) {
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	tests := map[string]struct {
		opts    *redis.Options
		problem string
	}{
		"none":                     {nil, "no options"},
		"negative database":        {&redis.Options{DB: -1}, "database -1"},
		"protocol 4":               {&redis.Options{Protocol: 4}, "protocol 4"},
		"negative pool":            {&redis.Options{PoolSize: -1}, "pool size -1"},
		"enormous pool":            {&redis.Options{PoolSize: 1 << 31}, "pool size 2147483648"},
		"address without port":     {&redis.Options{Addr: "example.com"}, "host:port"},
		"address with empty port":  {&redis.Options{Addr: "example.com:"}, "no port"},
		"address with port 0":      {&redis.Options{Addr: "example.com:0"}, "no port"},
		"password in the address":  {&redis.Options{Addr: "alice:hunter2@example.com:1"}, "fields of their own"},
		"the same with a dialer":   {&redis.Options{Addr: "alice:hunter2@example.com:1", Dialer: dial}, "fields of their own"},
		"a socket":                 {&redis.Options{Addr: "/run/a@b.sock"}, ""},
		"a name for a dialer":      {&redis.Options{Addr: "node one", Dialer: dial}, ""},
		"nothing but the defaults": {&redis.Options{}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node, err := New(tc.opts, clock.Process())
			if err == nil {
				_ = node.Close()
			}
			if (err != nil) != (tc.problem != "") || err != nil && (!strings.Contains(err.Error(), tc.problem) || strings.Contains(err.Error(), "hunter2")) {
				t.Errorf("New(%+v): error %v, want one about %q", tc.opts, err, tc.problem)
			}
		})
	}
	_, err := New(&redis.Options{DB: -1, PoolSize: -1}, nil)
	for _, problem := range []string{"no clock", "database", "pool size"} {
		if err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("error %v does not name %q", err, problem)
		}
	}
}

func TestName(t *testing.T) {
	tests := map[string]struct {
		opts redis.Options
		want string
	}{
		"host and port":      {redis.Options{Addr: "10.0.0.7:6379", Username: "alice", Password: "hunter2"}, "10.0.0.7:6379"},
		"default":            {redis.Options{}, "localhost:6379"},
		"another database":   {redis.Options{Addr: "[::1]:7000", DB: 2}, "[::1]:7000/2"},
		"socket":             {redis.Options{Network: "unix", Addr: "/run/redis.sock"}, "/run/redis.sock"},
		"socket by its look": {redis.Options{Addr: "/run/redis.sock", DB: 1}, "/run/redis.sock/1"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			node, err := New(&tc.opts, clock.Process())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = node.Close() }()
			if got := node.Name(); got != tc.want {
				t.Errorf("Name() = %q, want %q", got, tc.want)
			}
		})
	}
}
