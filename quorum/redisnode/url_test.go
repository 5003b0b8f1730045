package redisnode

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	tests := map[string]struct{ url, addr, user, password, problem string }{
		"host alone":               {url: "redis://example.com", addr: "example.com:6379"},
		"everything":               {url: "redis://alice:pa%2Fss%40@example.com:7000/2?dial_timeout=1s", addr: "example.com:7000", user: "alice", password: "pa/ss@"},
		"TLS":                      {url: "rediss://:secret@example.com", addr: "example.com:6379", password: "secret"},
		"IPv6":                     {url: "redis://[::1]:7000", addr: "[::1]:7000"},
		"socket":                   {url: "unix://alice:secret@/run/redis.sock?db=3", addr: "/run/redis.sock", user: "alice", password: "secret"},
		"upper case":               {url: "REDIS://example.com", addr: "example.com:6379"},
		"nothing":                  {problem: "redis://"},
		"no scheme":                {url: "alice:secret@example.com", problem: "redis://"},
		"another scheme":           {url: "http://alice:secret@example.com", problem: "redis://"},
		"password for a scheme":    {url: "secret://example.com", problem: "redis://"},
		"slash in the password":    {url: "redis://alice:sec/ret@example.com", problem: "%XX"},
		"question mark in it":      {url: "redis://alice:1?secret=2@example.com", problem: "%XX"},
		"hash in it":               {url: "redis://alice:1#secret@example.com", problem: "%XX"},
		"percent sign in it":       {url: "redis://alice:%secret@example.com", problem: "%XX"},
		"space in it":              {url: "redis://alice:sec ret@example.com", problem: "%XX"},
		"control character in it":  {url: "redis://alice:secret\x01@example.com", problem: "%XX"},
		"port is no number":        {url: "redis://alice:secret@example.com:http", problem: "%XX"},
		"database is no number":    {url: "redis://alice:secret@example.com/one", problem: "database"},
		"unknown option":           {url: "redis://alice:secret@example.com/?colour=red", problem: "colour"},
		"password as an option":    {url: "redis://alice:secret@example.com/?secret=1", problem: "option"},
		"password as a database":   {url: "redis://alice:secret@example.com/secret", problem: "option or database"},
		"escaped as an option":     {url: "redis://alice:sec%2Fret@example.com/?pool_size=sec/ret", problem: "option or database"},
		"option that is no number": {url: "redis://example.com/?pool_size=many", problem: "pool_size"},
		"socket without a path":    {url: "unix://alice:secret@", problem: "path"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			opts, err := ParseURL(tc.url)
			if tc.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tc.problem) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec/ret") {
					t.Errorf("ParseURL(%q): error %v; want one with %q and without the password", tc.url, err, tc.problem)
				}
				return
			}
			if err != nil {
				t.Fatalf("ParseURL(%q): %v", tc.url, err)
			}
			if opts.Addr != tc.addr || opts.Username != tc.user || opts.Password != tc.password {
				t.Errorf("ParseURL(%q) = %q as %q with %q; want %q, %q, %q",
					tc.url, opts.Addr, opts.Username, opts.Password, tc.addr, tc.user, tc.password)
			}
			if tls := opts.TLSConfig != nil; tls != strings.HasPrefix(tc.url, "rediss") {
				t.Errorf("ParseURL(%q): TLS %v", tc.url, tls)
			}
		})
	}
}

// However a URL is mangled, an error does not tell the password: s3cr3t and what follows it.
func FuzzParseURL(f *testing.F) {
	f.Add("redis://", "alice:", "", "@", "example.com/1")
	f.Add("rediss://", ":", "/x", "@", "example.com?pool_size=9")
	f.Add("unix://", "a:", "?x=1", "@", "/run/redis.sock")
	f.Add("redis://", "a:1?", "", "@", "h")
	f.Add("", "redis://h:", "%zz", "@", "h:p:p")
	f.Fuzz(func(t *testing.T, scheme, user, rest, at, host string) {
		if !strings.Contains(at+host, "@") {
			t.Skip("without an @ there is no password")
		}
		_, err := ParseURL(scheme + user + "s3cr3t" + rest + at + host)
		if err != nil && strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("error tells the password: %v", err)
		}
	})
}
