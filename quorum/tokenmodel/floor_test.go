package tokenmodel_test

import "testing"

// The model takes it that a counter's value is in its node's floor before the counter expires. That is
// checked here, apart, on one node, one lock and the traffic of all others, whose clock may do anything.
//
// Time is in units of half a tmax, so that a use lies at the beginning of a period or in its midst.
const (
	tmax     = 2
	lastTime = 11
	topToken = 4
)

// A keeper is what a node keeps to number the leases of one lock.
type keeper struct {
	now     int
	period  int // when cur and prev were last looked at
	cur     int // the largest token stored in that period
	prev    int // and in the one before
	floor   int // and earlier
	counter int // of the lock
	expires int // when that is dropped
	last    int // the largest token that the lock ever had here; the node does not know it
}

// A rotation is the rule by which floors rotate, or one like it.
type rotation struct {
	life    int  // of a counter after its last use
	anyNext bool // each change of period counts as one to the next
}

// look turns the floor to the present period.
func (r rotation) look(k *keeper) {
	switch now := k.now / tmax; {
	case now == k.period:
	case now == k.period+1 || r.anyNext:
		k.period, k.floor, k.prev, k.cur = now, max(k.floor, k.prev), k.cur, 0
	default:
		k.period, k.floor, k.prev, k.cur = now, max(k.floor, k.prev, k.cur), 0, 0
	}
}

// votes returns the keeper after a vote that takes the token, and whether the node would give that.
func (r rotation) votes(k keeper, token int) (keeper, bool) {
	r.look(&k)
	least := k.floor
	if k.now < k.expires {
		least = max(least, k.counter)
	}
	if token <= least {
		return k, false
	}
	k.counter, k.expires, k.cur = token, k.now+r.life, max(k.cur, token)
	return k, true
}

// otherStores returns the keeper after a vote for another lock.
func (r rotation) otherStores(k keeper, token int) keeper {
	r.look(&k)
	k.cur = max(k.cur, token)
	return k
}

// lowest explores all that can happen, and returns the smallest difference between a token and the largest
// before it, and how many states there are.
func (r rotation) lowest() (least, states int) {
	least = topToken
	seen := map[keeper]bool{{}: true}
	for queue := []keeper{{}}; len(queue) > 0; queue = queue[1:] {
		k := queue[0]
		reach := func(next keeper) {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
		for now := range lastTime + 1 { // also backwards
			later := k
			later.now = now
			reach(later)
		}
		for token := 1; token <= topToken; token++ {
			if next, ok := r.votes(k, token); ok {
				least = min(least, token-k.last)
				next.last = max(next.last, token)
				reach(next)
			}
			reach(r.otherStores(k, token))
		}
	}
	return least, len(seen)
}

func TestFloorOutlivesCounters(t *testing.T) {
	skipUnderRace(t)
	tests := map[string]struct {
		rule rotation
		want bool // tokens of one lock only rise
	}{
		"as designed":                         {rotation{life: 2 * tmax}, true},
		"counters live too short":             {rotation{life: 2*tmax - 1}, false},
		"a leap counts as a step to the next": {rotation{life: 2 * tmax, anyNext: true}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			least, states := tc.rule.lowest()
			t.Logf("%d states; from one token to the next, at least %d", states, least)
			if got := least > 0; got != tc.want {
				t.Errorf("%+v: tokens only rise: %v, want %v", tc.rule, got, tc.want)
			}
		})
	}
}
