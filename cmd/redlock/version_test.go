package main

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	tests := map[string]struct {
		info *debug.BuildInfo
		want string
	}{
		"nothing recorded": {nil, "redlock (unknown)"},
		"a release":        {&debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}}, "redlock v1.2.3"},
		"a checkout with changes": {
			&debug.BuildInfo{
				Main:     debug.Module{Version: "(devel)"},
				Settings: []debug.BuildSetting{setting("vcs.revision", "0123456789abcdef"), setting("vcs.modified", "true")},
			},
			"redlock (devel) (0123456789ab, with changes)",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := describe(tc.info).String()
			if want := tc.want + ", " + runtime.Version(); !strings.HasPrefix(got, want) {
				t.Errorf("describe(%+v) = %q, want it to begin with %q", tc.info, got, want)
			}
		})
	}
}
