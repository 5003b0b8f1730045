package main

import "testing"

func TestLine(t *testing.T) {
	l := line{{bold, "ab"}, {plain, "▁▂"}, {red, ""}, {red, "ef"}}
	tests := map[string]struct{ got, want string }{
		"without colours":         {l.paint(false), "ab▁▂ef"},
		"with colours":            {l.paint(true), "\x1b[1mab\x1b[0m▁▂\x1b[31mef\x1b[0m"},
		"cut counts characters":   {l.cut(3).paint(false), "ab▁"},
		"cut to more than it has": {l.cut(9).paint(false), "ab▁▂ef"},
		"cut at an edge":          {l.cut(2).paint(true), "\x1b[1mab\x1b[0m"},
		"cut to nothing":          {l.cut(0).paint(true), ""},
		"cut to less":             {l.cut(-1).paint(true), ""},
		"padded":                  {pad("▁", 3), "▁  "},
		"padded to less":          {pad("abc", 2), "abc"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.got != tc.want {
				t.Errorf("got %q, want %q", tc.got, tc.want)
			}
		})
	}
}
