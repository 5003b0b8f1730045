package redlock_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/redis/go-redis/v9"
)

// throughLua sends a token through what a script can do with it. The last two are what a script must not do.
const throughLua = `
local digits = function(n) return string.format('%.0f', n) end
local n = tonumber(ARGV[1])
local out = {
  'tonumber and %.0f', digits(n),
  'tonumber of a reply', digits(tonumber(redis.call('GET', KEYS[1]))),
  'cjson, as a number that is read', digits(cjson.decode('{"token":' .. ARGV[1] .. '}').token),
  'cjson, as a string', cjson.decode(cjson.encode({token = ARGV[1]})).token,
  'n - 1 < n', n - 1 < n and ARGV[1] or 'no',
  'cmsgpack, as a number', digits(cmsgpack.unpack(cmsgpack.pack(n))),
}
return {out, {'tostring', tostring(n), 'cjson, as a number that is written', cjson.encode(n)}}`

// Tokens come exact out of Lua, JSON and the numbers of JavaScript, also the largest.
func TestProveTokensAreExactEverywhere(t *testing.T) {
	again(t)
	lab := newLab(t, 5)
	lease := mustTry(t, lab.direct(), "a real one")
	defer mustRelease(t, lease)
	const largest = quorum.MaxToken - 1
	if fence.MaxToken != largest {
		t.Errorf("guards take tokens up to %d, nodes give them up to %d", fence.MaxToken, largest)
	}
	for _, token := range []uint64{lease.Token(), 1, 1763769600123457, 1<<52 + 1, largest - 1, largest} {
		t.Run(fmt.Sprint(token), func(t *testing.T) {
			luaKeeps(t, lab.admin[0], token)
			jsonKeeps(t, token)
			float64Keeps(t, token)
		})
	}
	n := uint64(scaled(100_000, 50_000_000)) //nolint:gosec // it is not negative
	for token := largest; token > largest-n; token-- {
		f := float64(token)
		if uint64(f) != token || float64(token-1) >= f {
			t.Fatalf("%d and its neighbours are not told apart by a float64", token)
		}
	}
	t.Logf("the largest %d tokens, down from %d = 2^53-1, are exact as float64, which is the number of JavaScript", n, largest)
	// One more is where it ends, so the test above can fail.
	if beyond := quorum.MaxToken + 1; uint64(float64(beyond)) == beyond {
		t.Errorf("%d is exact: this test shows nothing", beyond)
	}
}

// luaKeeps demands that what a script makes of a token is the token.
func luaKeeps(t *testing.T, server *redis.Client, token uint64) {
	t.Helper()
	text := fence.FormatToken(token)
	must(t, server.Set(t.Context(), "proof:token", text, 0).Err())
	reply, err := server.Eval(t.Context(), throughLua, []string{"proof:token"}, text).Slice()
	must(t, err)
	for i, pairs := range reply {
		list := pairs.([]any)
		for j := 0; j < len(list); j += 2 {
			what, got := list[j].(string), list[j+1].(string)
			if i == 0 && got != text {
				t.Errorf("%s: %s came back as %s", what, text, got)
			}
			if i == 1 && got != text {
				t.Logf("not for tokens: %s makes %s of %s", what, got, text)
			}
		}
	}
}

// jsonKeeps demands that encoding/json keeps a token, as whatever it is read.
func jsonKeeps(t *testing.T, token uint64) {
	t.Helper()
	text, err := json.Marshal(map[string]uint64{"token": token})
	must(t, err)
	want := fence.FormatToken(token)
	var (
		asUint   struct{ Token uint64 }
		asFloat  struct{ Token float64 }
		asNumber struct{ Token json.Number }
		asAny    struct{ Token any }
	)
	for _, into := range []any{&asUint, &asFloat, &asNumber, &asAny} {
		must(t, json.Unmarshal(text, into))
	}
	f, isFloat := asAny.Token.(float64)
	if !isFloat {
		t.Fatalf("any is a %T", asAny.Token)
	}
	for what, got := range map[string]string{
		"uint64": fence.FormatToken(asUint.Token), "float64": fence.FormatToken(uint64(asFloat.Token)),
		"json.Number": asNumber.Token.String(), "any": fence.FormatToken(uint64(f)),
	} {
		if got != want {
			t.Errorf("JSON into %s: %s came back as %s", what, want, got)
		}
	}
	// A JavaScript program reads the number and writes it again.
	written, err := json.Marshal(asFloat.Token)
	must(t, err)
	if string(written) != want {
		t.Errorf("JSON of the float64: %s, want %s", written, want)
	}
}

// float64Keeps demands that a token comes back from the number of JavaScript, whose text is the shortest that
// reads as the same number (ECMAScript, Number::toString: without an exponent below 1e21).
func float64Keeps(t *testing.T, token uint64) {
	t.Helper()
	text := fence.FormatToken(token)
	f, err := strconv.ParseFloat(text, 64)
	must(t, err)
	if back := strconv.FormatFloat(f, 'f', -1, 64); back != text || uint64(f) != token {
		t.Errorf("float64 makes %s of %s", back, text)
	}
}
