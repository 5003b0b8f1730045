package fence_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

// byPath guards a handler, each path on its own.
func byPath(guard fence.WriteGuard, next http.HandlerFunc, opts ...fence.HandlerOption) http.Handler {
	return fence.Handler(guard, func(r *http.Request) string { return r.URL.Path }, next, opts...)
}

func TestHandler(t *testing.T) {
	guard := fence.NewMemory()
	if err := guard.Register(t.Context(), "/a", 34); err != nil {
		t.Fatal(err)
	}
	strict := byPath(guard, func(http.ResponseWriter, *http.Request) {})
	lax := byPath(guard, func(http.ResponseWriter, *http.Request) {}, fence.PlainReads())
	nameless := fence.Handler(guard, func(*http.Request) string { return "" }, http.NotFoundHandler())
	broken := byPath(brokenGuard{}, func(http.ResponseWriter, *http.Request) {})

	tests := map[string]struct {
		handler http.Handler
		method  string
		tokens  []string
		want    int
	}{
		"the holder writes":                  {strict, "PUT", []string{"34"}, 200},
		"the holder reads":                   {strict, "GET", []string{"34"}, 200},
		"an old holder writes":               {strict, "PUT", []string{"33"}, 412},
		"an old holder reads":                {strict, "GET", []string{"33"}, 412},
		"an old holder deletes":              {strict, "DELETE", []string{"33"}, 412},
		"nobody in particular writes":        {strict, "POST", nil, 428},
		"nobody in particular reads":         {strict, "GET", nil, 428},
		"a plain read":                       {lax, "GET", nil, 200},
		"a plain look":                       {lax, "HEAD", nil, 200},
		"a plain write":                      {lax, "PATCH", nil, 428},
		"an old holder's read is never lax":  {lax, "GET", []string{"33"}, 412},
		"a lease without a token":            {strict, "PUT", []string{"0"}, 400},
		"an empty token":                     {strict, "PUT", []string{""}, 400},
		"a word":                             {strict, "PUT", []string{"newest"}, 400},
		"two tokens":                         {strict, "PUT", []string{"34", "35"}, 400},
		"two tokens in one line":             {strict, "PUT", []string{"34, 35"}, 400},
		"a resource without a name":          {nameless, "PUT", []string{"34"}, 400},
		"the guard does not answer a write":  {broken, "PUT", []string{"34"}, 503},
		"the guard does not answer a read":   {broken, "GET", []string{"34"}, 503},
		"a method that nobody knows, stale":  {strict, "BREW", []string{"33"}, 412},
		"a method that nobody knows, newest": {strict, "BREW", []string{"34"}, 200},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			request := httptest.NewRequest(tc.method, "/a", http.NoBody)
			request.Header[fence.TokenHeader] = tc.tokens
			answer := httptest.NewRecorder()
			tc.handler.ServeHTTP(answer, request)
			if answer.Code != tc.want {
				t.Errorf("status %d, want %d: %s", answer.Code, tc.want, answer.Body)
			}
			newest := answer.Header().Get(fence.NewestHeader)
			if stale := tc.want == 412; stale != (newest == "34") {
				t.Errorf("status %d tells newest token %q", answer.Code, newest)
			}
		})
	}
}

var errBroken = errors.New("connection refused to 10.0.0.7, password hunter2")

// A brokenGuard cannot reach its memory.
type brokenGuard struct{}

func (brokenGuard) Register(context.Context, string, uint64) error { return errBroken }

func (brokenGuard) Write(context.Context, string, uint64, func(context.Context) error) error {
	return errBroken
}

func TestHandlerTellsClientsNothingOfTheGuard(t *testing.T) {
	request := httptest.NewRequest(http.MethodPut, "/a", http.NoBody)
	request.Header.Set(fence.TokenHeader, "34")
	answer := httptest.NewRecorder()
	byPath(brokenGuard{}, func(http.ResponseWriter, *http.Request) {}).ServeHTTP(answer, request)
	if strings.Contains(answer.Body.String(), "hunter2") {
		t.Errorf("the answer has the guard's error: %s", answer.Body)
	}
}

// A fickleGuard admits a write and finds out afterwards that it lost its hold.
type fickleGuard struct{ brokenGuard }

func (fickleGuard) Write(ctx context.Context, _ string, _ uint64, write func(context.Context) error) error {
	return errors.Join(write(ctx), errBroken)
}

func TestHandlerAbortsAnAnswerThatItCannotVouchFor(t *testing.T) {
	server := httptest.NewServer(byPath(fickleGuard{}, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "written")
	}))
	defer server.Close()
	response, err := put(t, server.Client(), fence.WithToken(t.Context(), 34), server.URL)
	if err == nil {
		response.Body.Close()
		t.Errorf("status %d, want no answer", response.StatusCode)
	}
}

// put sends the token of ctx along, if there is one.
func put(t *testing.T, client *http.Client, ctx context.Context, url string) (*http.Response, error) { //nolint:revive // t comes first in a helper
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	guarded := *client
	guarded.Transport = fence.Transport(client.Transport)
	return guarded.Do(request)
}

func TestHandlerHoldsOthersOffWhileItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := fence.NewMemory()
		served := false
		handler := byPath(guard, func(_ http.ResponseWriter, r *http.Request) {
			served = true
			if got := fence.TokenFrom(r.Context()); got != 34 {
				t.Errorf("the handler's token is %d, want 34", got)
			}
			impatient, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			if err := guard.Register(impatient, r.URL.Path, 35); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a newer token, while an older one was writing: %v, want %v", err, context.DeadlineExceeded)
			}
		})
		request := httptest.NewRequest(http.MethodPut, "/a", http.NoBody)
		if err := fence.SetToken(request, 34); err != nil {
			t.Fatal(err)
		}
		handler.ServeHTTP(httptest.NewRecorder(), request)
		if !served {
			t.Error("the handler did not run")
		}
	})
}

// A next that checks its own writes must be able to: the guard may not be held meanwhile.
func TestRegisterHandlerOnlyRegisters(t *testing.T) {
	guard := fence.NewMemory()
	handler := fence.RegisterHandler(guard, func(r *http.Request) string { return r.URL.Path },
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if err := guard.Register(r.Context(), "/a", 35); err != nil {
				t.Errorf("a newer holder: %v", err)
			}
			err := guard.Write(r.Context(), "/a", fence.TokenFrom(r.Context()), func(context.Context) error { return nil })
			if !errors.Is(err, fence.ErrStale) {
				t.Errorf("the write: %v, want ErrStale", err)
			}
		}))
	request := httptest.NewRequest(http.MethodPut, "/a", http.NoBody)
	request.Header.Set(fence.TokenHeader, "34")
	handler.ServeHTTP(httptest.NewRecorder(), request)
}

func TestClientAndServer(t *testing.T) {
	server := httptest.NewServer(byPath(fence.NewMemory(), func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	for _, step := range []struct {
		ctx    context.Context
		status int
		newest uint64
	}{
		{fence.WithToken(t.Context(), 34), 200, 0},
		{fence.WithToken(t.Context(), 33), 412, 34},
		{fence.WithToken(t.Context(), fence.MaxToken), 200, 0},
		{fence.WithToken(t.Context(), fence.MaxToken-1), 412, fence.MaxToken},
		{t.Context(), 428, 0},
	} {
		response, err := put(t, server.Client(), step.ctx, server.URL+"/a")
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != step.status {
			t.Errorf("status %d, want %d", response.StatusCode, step.status)
		}
		err = fence.CheckResponse(response)
		stale, ok := errors.AsType[*fence.StaleError](err)
		if !ok {
			stale = &fence.StaleError{}
		}
		if stale.Newest != step.newest || ok && (stale.Resource != "/a" || stale.Token != fence.TokenFrom(step.ctx)) {
			t.Errorf("CheckResponse = %v, want newest %d", err, step.newest)
		}
	}
}

func TestTransportSendsNoBadToken(t *testing.T) {
	body := &closable{Reader: strings.NewReader("x")}
	request := httptest.NewRequestWithContext(fence.WithToken(t.Context(), 0), http.MethodPut, "http://127.0.0.1:1/", body)
	response, err := fence.Transport(nil).RoundTrip(request)
	if !errors.Is(err, fence.ErrBadToken) || !body.closed {
		t.Errorf("error %v, body closed: %v, want ErrBadToken and yes", err, body.closed)
	}
	if response != nil {
		response.Body.Close()
	}
}

type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Close() error { c.closed = true; return nil }

func TestAnotherPreconditionIsNotOurs(t *testing.T) {
	request := httptest.NewRequest(http.MethodPut, "/a", http.NoBody)
	for name, tc := range map[string]struct {
		response http.Response
		want     error
	}{
		"If-Match":           {http.Response{StatusCode: http.StatusPreconditionFailed, Header: http.Header{}, Request: request}, nil},
		"a success":          {http.Response{StatusCode: http.StatusOK, Header: http.Header{fence.NewestHeader: {"34"}}, Request: request}, nil},
		"a malformed header": {http.Response{StatusCode: http.StatusPreconditionFailed, Header: http.Header{fence.NewestHeader: {"x"}}, Request: request}, fence.ErrBadToken},
	} {
		if err := fence.CheckResponse(&tc.response); !errors.Is(err, tc.want) {
			t.Errorf("%s: CheckResponse = %v, want %v", name, err, tc.want)
		}
	}
}

// A read only registers: it keeps nobody away while it is answered, be it ever so slowly.
func TestHandlerHoldsNobodyOffWhileItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := fence.NewMemory()
		handler := byPath(guard, func(_ http.ResponseWriter, r *http.Request) {
			brief, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			if err := guard.Register(brief, r.URL.Path, 35); err != nil {
				t.Errorf("a newer holder, during a read: %v", err)
			}
		})
		request := httptest.NewRequest(http.MethodGet, "/a", http.NoBody)
		request.Header.Set(fence.TokenHeader, "34")
		handler.ServeHTTP(httptest.NewRecorder(), request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A RoundTripper must not change the request that it was given.
func TestTransportLeavesTheRequestAlone(t *testing.T) {
	sent := ""
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header.Get(fence.TokenHeader)
		return nil, errBroken
	})
	request := httptest.NewRequestWithContext(fence.WithToken(t.Context(), 34), http.MethodPut, "/a", http.NoBody)
	response, err := fence.Transport(base).RoundTrip(request)
	if response != nil {
		response.Body.Close()
	}
	if !errors.Is(err, errBroken) || sent != "34" {
		t.Errorf("token %q was sent, error %v, want 34 and %v", sent, err, errBroken)
	}
	if left := request.Header.Get(fence.TokenHeader); left != "" {
		t.Errorf("the caller's request now has the token %q", left)
	}
}
