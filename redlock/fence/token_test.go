package fence_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

func TestParseToken(t *testing.T) {
	tests := map[string]struct {
		text string
		want uint64 // 0: an ErrBadToken
	}{
		"the smallest":              {"1", 1},
		"a clock in microseconds":   {"1763769600123457", 1763769600123457},
		"the largest":               {"9007199254740991", fence.MaxToken},
		"one too large":             {"9007199254740992", 0},
		"the largest of 64 bits":    {"18446744073709551615", 0},
		"larger than 64 bits":       {"18446744073709551617", 0},
		"nothing":                   {"", 0},
		"zero is no token":          {"0", 0},
		"a sign":                    {"+1", 0},
		"a negative number":         {"-1", 0},
		"a leading zero":            {"01", 0},
		"a space before":            {" 1", 0},
		"a line end":                {"1\n", 0},
		"a fraction":                {"1.0", 0},
		"an exponent":               {"1e3", 0},
		"hexadecimal":               {"0x10", 0},
		"underscores":               {"1_000", 0},
		"digits of another script":  {"١", 0},
		"a list":                    {"1,2", 0},
		"what Lua makes of numbers": {"1.7637696001235e+15", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := fence.ParseToken(tc.text)
			if tc.want == 0 {
				if !errors.Is(err, fence.ErrBadToken) {
					t.Errorf("ParseToken(%q) = %d, %v, want ErrBadToken", tc.text, got, err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("ParseToken(%q) = %d, %v, want %d", tc.text, got, err, tc.want)
			}
		})
	}
}

// Whatever text comes, it is one token and written in one way, or it is refused; and the middleware
// sees it as the parser does.
func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{"1", "9007199254740991", "9007199254740992", "0", "", "-1", "007", "1e3", "\x00", "1\r\nX: y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := fence.ParseToken(text)
		if err == nil {
			if token < 1 || token > fence.MaxToken || fence.FormatToken(token) != text {
				t.Errorf("ParseToken(%q) = %d", text, token)
			}
			if exact := uint64(float64(token)); exact != token {
				t.Errorf("as a float64, %d is %d", token, exact)
			}
			var number float64
			if err := json.Unmarshal([]byte(text), &number); err != nil || uint64(number) != token {
				t.Errorf("as JSON, %q is %v, %v", text, number, err)
			}
		} else if !errors.Is(err, fence.ErrBadToken) {
			t.Errorf("ParseToken(%q): %v is no ErrBadToken", text, err)
		}

		request := httptest.NewRequest(http.MethodPut, "/", http.NoBody)
		request.Header[fence.TokenHeader] = []string{text}
		answer := httptest.NewRecorder()
		byPath(fence.NewMemory(), func(http.ResponseWriter, *http.Request) {}).ServeHTTP(answer, request)
		want := http.StatusOK
		if err != nil {
			want = http.StatusBadRequest
		}
		if answer.Code != want {
			t.Errorf("header %q: status %d, want %d", text, answer.Code, want)
		}
	})
}
