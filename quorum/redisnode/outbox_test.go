package redisnode

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
)

// start is some instant; the outbox has no clock of its own.
var start = time.Unix(1_700_000_000, 0)

const pace = 10 * ms

func pushed(t *testing.T, o *outbox, keys ...string) []*request {
	t.Helper()
	list := make([]*request, len(keys))
	for i, key := range keys {
		list[i] = &request{op: quorum.Op{Kind: quorum.Extend, Key: key}, deadline: start.Add(time.Second)}
		if !o.push(list[i]) {
			t.Fatalf("request %d was not taken in", i)
		}
	}
	return list
}

func many(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("key ", i)
	}
	return keys
}

// taken describes the next batch: its keys, or how many there are, or "nothing".
func taken(o *outbox, at time.Duration) string {
	b := o.take(start.Add(at), pace)
	switch {
	case b == nil:
		return "nothing"
	case len(b.requests) > 5:
		return fmt.Sprint(len(b.requests))
	}
	return keysOf(b.requests)
}

func keysOf(requests []*request) string {
	keys := make([]string, len(requests))
	for i, r := range requests {
		keys[i] = r.op.Key
	}
	return strings.Join(keys, " ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestWhenABatchIsSent(t *testing.T) {
	var o outbox
	want(t, "from an empty box", taken(&o, 0), "nothing")
	pushed(t, &o, "a")
	want(t, "with nothing on its way", taken(&o, 0), "a")
	pushed(t, &o, "b", "c")
	want(t, "with a on its way", taken(&o, pace-1), "nothing")
	o.answered()
	want(t, "with a answered", taken(&o, pace-1), "b c")
	pushed(t, &o, "d")
	want(t, "a pace after the last", taken(&o, 2*pace-1), "d")
	pushed(t, &o, many(maxBatch-1)...)
	want(t, "with less than a batch", taken(&o, 2*pace), "nothing")
	pushed(t, &o, "last")
	want(t, "with a whole batch", taken(&o, 2*pace), fmt.Sprint(maxBatch))
}

func TestBatchesAreBounded(t *testing.T) {
	var o outbox
	pushed(t, &o, many(2*maxBatch+44)...)
	want(t, "the first", taken(&o, 0), fmt.Sprint(maxBatch))
	want(t, "the second", taken(&o, 0), fmt.Sprint(maxBatch))
	want(t, "the rest, at once", taken(&o, 0), "nothing")
	want(t, "the rest, after a pace", taken(&o, pace), "44")
}

func TestWhatIsOnItsWayIsBounded(t *testing.T) {
	var o outbox
	pushed(t, &o, many((maxFlight+1)*maxBatch)...)
	for range maxFlight {
		want(t, "a batch", taken(&o, 0), fmt.Sprint(maxBatch))
	}
	want(t, "one too many", taken(&o, time.Hour), "nothing")
	o.answered()
	want(t, "after an answer", taken(&o, time.Hour), fmt.Sprint(maxBatch))
}

func TestWhatWaitsIsBounded(t *testing.T) {
	var o outbox
	pushed(t, &o, many(maxWaiting)...)
	if o.push(new(request)) {
		t.Errorf("%d requests wait, want %d at most", maxWaiting+1, maxWaiting)
	}
	taken(&o, 0)
	if !o.push(new(request)) {
		t.Error("there is no room after a batch was sent")
	}
}

func TestWhatIsOverdueIsNotSent(t *testing.T) {
	var o outbox
	list := pushed(t, &o, "sent", "waits", "lasts")
	list[2].deadline = start.Add(time.Minute)
	o.live -= 2
	o.send(&batch{requests: o.waiting[:1]}, start)
	o.live, o.waiting = 2, o.waiting[1:]
	late, next := o.overdue(start.Add(time.Second))
	want(t, "overdue", keysOf(late), "sent waits")
	if !next.Equal(list[2].deadline) {
		t.Errorf("the next deadline is %v, want %v", next, list[2].deadline)
	}
	for _, r := range late {
		r.fail(nil)
	}
	want(t, "the next batch", taken(&o, pace), "lasts")
	if late, next = o.overdue(start.Add(time.Hour)); keysOf(late) != "lasts" || !next.IsZero() {
		t.Errorf("overdue at last: %s, next %v", keysOf(late), next)
	}
}

// What goes again keeps its place before what comes later, and takes along what has overtaken it.
func TestRepeatedRequestsKeepTheirOrder(t *testing.T) {
	var o outbox
	first := pushed(t, &o, "a", "b", "c", "d")
	want(t, "the first batch", taken(&o, 0), "a b c d")
	second := pushed(t, &o, "b", "x")
	want(t, "the second batch", taken(&o, pace), "b x")
	third := pushed(t, &o, "a", "y")
	o.halve(o.answered())
	if !second[0].again || second[1].again || third[0].again {
		t.Error("of what is on its way, exactly b has to go again, and of what waits nothing")
	}
	want(t, "first half", taken(&o, pace), "a b")
	want(t, "second half", taken(&o, pace), "c d")
	o.repeat([]*request{second[0]}, false) // as its answer did not count
	o.answered()
	o.halve(o.answered()) // a b
	want(t, "half of the half", taken(&o, pace), "a")
	want(t, "the other half", taken(&o, pace), "b")
	want(t, "what had overtaken it", taken(&o, pace), "b")
	want(t, "what waited, while c d may be refused", taken(&o, 3*pace), "nothing")
	o.answered()
	want(t, "what waited", taken(&o, 3*pace), "a y")
	if !slices.IsSortedFunc(first, func(a, b *request) int { return int(a.number) - int(b.number) }) {
		t.Error("numbers changed")
	}
}

func TestWhoLeftIsNotAskedForAgain(t *testing.T) {
	var o outbox
	list := pushed(t, &o, "a", "b")
	taken(&o, 0)
	o.answered()
	list[0].fail(nil)
	o.repeat(slices.Clone(list), true)
	want(t, "again", taken(&o, 0), "b")
	o.answered()
	list[1].fail(nil)
	o.repeat(slices.Clone(list), true)
	want(t, "with nobody left", taken(&o, 0), "nothing")
}

// Only where several have asked just before, and the batch is not half full yet, are more looked for.
func TestACrowdIsExpectedAfterACrowd(t *testing.T) {
	tests := map[string]struct {
		before, waiting int
		want            bool
	}{
		"nothing was sent yet":                {0, 1, false},
		"a lone request came before":          {1, 1, false},
		"one less than a crowd came before":   {crowd - 1, 1, false},
		"a crowd came before":                 {crowd, 1, true},
		"a crowd came before, none asks yet":  {crowd, 0, true},
		"a crowd came before, half the batch": {crowd, maxBatch / 2, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var o outbox
			pushed(t, &o, many(tc.before)...)
			if o.take(start, pace) != nil {
				o.answered()
			}
			pushed(t, &o, many(tc.waiting)...)
			if got := o.crowded(); got != tc.want {
				t.Errorf("crowded() after %d with %d waiting = %t, want %t", tc.before, tc.waiting, got, tc.want)
			}
		})
	}
}
