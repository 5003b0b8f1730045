package main

import (
	"strings"
	"testing"
)

func TestNodeURLs(t *testing.T) {
	tests := map[string]struct {
		specs []string
		want  string // URLs, or part of the error
		fails bool
	}{
		"URLs":                    {[]string{"redis://a:1", "redis://b"}, "redis://a:1 redis://b", false},
		"bare addresses":          {[]string{"a:1", "10.0.0.1:2"}, "redis://a:1 redis://10.0.0.1:2", false},
		"a bare IPv6 address":     {[]string{"[::1]:6379"}, "redis://[::1]:6379", false},
		"blanks around":           {[]string{" a:1 ", "\tb:2"}, "redis://a:1 redis://b:2", false},
		"a password":              {[]string{"redis://u:p@a:1"}, "redis://u:p@a:1", false},
		"none":                    {nil, "--nodes or REDLOCK_NODES", true},
		"no port":                 {[]string{"a:1", "localhost"}, `node 2 of 2: "localhost" is neither a URL nor host:port`, true},
		"an empty one":            {[]string{"a:1", ""}, "node 2 of 2: is empty", true},
		"another scheme":          {[]string{"http://a:1"}, "node 1 of 1: redisnode: URL does not start", true},
		"all faults at once":      {[]string{"a", "b"}, "node 2 of 2", true},
		"a password without URL":  {[]string{"pw@a:1"}, "holds an @ but no redis://", true},
		"a password with a comma": {[]string{"redis://:se", "cr", "et@a:1"}, "%2C", true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			urls, err := nodesFlag{Nodes: tc.specs}.urls()
			if tc.fails {
				if exitCode(err) != exitUsage || !strings.Contains(explain(err), tc.want) {
					t.Errorf("urls of %q: error %v with code %d, want one with %q and code %d",
						tc.specs, err, exitCode(err), tc.want, exitUsage)
				}
				return
			}
			if got := strings.Join(urls, " "); err != nil || got != tc.want {
				t.Errorf("urls of %q = %q, %v, want %q", tc.specs, got, err, tc.want)
			}
		})
	}
}

// Whatever a password is made of, and however wrong the rest is: it is in no error.
func FuzzNodesKeepPasswords(f *testing.F) {
	for _, seed := range []string{"redis://u:%@h:1", "redis://:%@h:1,redis://h:2", "%@h:1", "redis://:a,%@h", "unix://:%@/x?db=y", "redis://:%@h/nodb"} {
		f.Add(seed)
	}
	const password = "Xsecret9Z"
	f.Fuzz(func(t *testing.T, list string) {
		before, after, ok := strings.Cut(list, "%")
		// It is a password if an @ ends it, in the same word, before the list goes on.
		if !ok || !strings.Contains(strings.SplitN(after, ",", 2)[0], "@") {
			return
		}
		_, err := nodesFlag{Nodes: strings.Split(before+password+after, ",")}.urls()
		if text := explain(err); strings.Contains(text, password) {
			t.Errorf("the error for %q tells the password: %s", list, text)
		}
	})
}
