package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// An edit changes one event of a story. want is part of the only violation that it makes, and empty if the
// story stays legal.
type edit struct{ from, to, want string }

// twoInTurn is a lock that changes hands cleanly: what the judges have to let pass.
const twoInTurn = `
	0ms  c1/1 acquire-invoked
	10ms c1/1 acquired token=1 left=100ms votes=3
	15ms c2/1 acquire-invoked
	20ms c1/1 observed held left=90ms
	30ms c1/1 release-invoked held left=80ms
	32ms c1/1 released
	40ms c2/1 acquired token=2 left=100ms votes=3
	50ms c2/1 release-invoked held left=90ms
	52ms c2/1 released
	55ms c3/1 acquire-invoked
	60ms c3/1 acquired token=3 left=100ms votes=3
	70ms c3/1 release-invoked held left=90ms
	71ms c3/1 released
`

// Each judge lets its story pass, and each edit of one event makes it see what the sentence says.
func TestJudgesOnKnownHistories(t *testing.T) {
	tests := map[string]struct {
		judge Invariant
		story string
		edits map[string]edit
	}{
		"mutual exclusion of leases in turn": {MutualExclusion, twoInTurn, map[string]edit{
			"leases that touch do not overlap":          {"40ms c2/1 acquired", "30ms c2/1 acquired", ""},
			"a nanosecond is an overlap":                {"40ms c2/1 acquired", "29.999999ms c2/1 acquired", "twice for 1ns"},
			"a release that began ends the lease":       {"32ms c1/1 released", "45ms c1/1 released", ""},
			"a lease that was over proves nothing":      {"30ms c1/1 release-invoked held left=80ms", "45ms c1/1 release-invoked", ""},
			"a lease that was valid at its release":     {"30ms c1/1 release-invoked", "45ms c1/1 release-invoked", "twice for 5ms"},
			"a lease that is seen valid too long":       {"20ms c1/1 observed held", "41ms c1/1 observed held", "twice for 1ms"},
			"a lease that is extended into the next":    {"20ms c1/1 observed held", "40.5ms c1/1 extended", "twice for 500µs"},
			"an extension that ends at the edge":        {"20ms c1/1 observed held", "40ms c1/1 extended", ""},
			"an extension that failed extends nothing":  {"20ms c1/1 observed held left=90ms", "45ms c1/1 extend-failed", ""},
			"a look that found it over proves nothing":  {"20ms c1/1 observed held left=90ms", "45ms c1/1 observed", ""},
			"another name is another lock":              {"40ms c2/1 acquired token=2", "25ms c2/1 acquired token=2 name=other", ""},
			"another lease of the same client counts":   {"40ms c2/1 acquired", "25ms c1/9 acquired", "by c1/1"},
			"a moment within a lease is an overlap":     {"40ms c2/1 acquired", "25ms c9/1 acquired", "twice for 0s"},
			"a moment at the end of a lease is none":    {"40ms c2/1 acquired", "30ms c9/1 acquired", ""},
			"a moment at the start of a lease is none":  {"40ms c2/1 acquired", "10ms c9/1 acquired", ""},
			"an effect after a pause is no proof":       {"20ms c1/1 observed held left=90ms", "45ms c1/1 wrote held data=x", ""},
			"a read after a pause is no proof":          {"20ms c1/1 observed held left=90ms", "45ms c1/1 read data=x", ""},
			"an attempt without an outcome is no lease": {"40ms c2/1 acquired token=2 left=100ms votes=3", "40ms c2/1 lost", ""},
		}},
		"mutual exclusion where a release is lost": {MutualExclusion, `
			10ms c1/1 acquired left=100ms
			30ms c1/1 release-invoked held left=80ms
			90ms c1/1 release-failed
			110ms c2/1 acquired left=100ms
			120ms c2/1 observed held left=90ms
		`, map[string]edit{
			"the client does not use it any more": {"110ms c2/1 acquired", "31ms c2/1 acquired", ""},
			"but had it until then":               {"110ms c2/1 acquired", "29ms c2/1 acquired", "twice"},
		}},
		"mutual exclusion of three": {MutualExclusion, `
			0ms c1/1 acquired
			30ms c1/1 observed held left=1s
			30ms c2/1 acquired
			40ms c2/1 observed held left=1s
			40ms c3/1 acquired
			50ms c3/1 observed held left=1s
		`, map[string]edit{
			"one that lasts is seen beyond a shorter one": {"30ms c2/1 acquired", "10ms c2/1 acquired", "twice for 20ms: by c1/1"},
			"only neighbours that overlap are told":       {"40ms c3/1 acquired", "35ms c3/1 acquired", "twice for 5ms: by c2/1"},
		}},

		"linearizability of leases in turn": {Linearizable(time.Minute), twoInTurn, map[string]edit{
			"leases that touch fit":                    {"40ms c2/1 acquired", "30ms c2/1 acquired", ""},
			"a nanosecond does not":                    {"40ms c2/1 acquired", "29.999999ms c2/1 acquired", "no order has room"},
			"a lease that is seen valid too long":      {"20ms c1/1 observed held", "41ms c1/1 observed held", "no order has room"},
			"another name is another lock":             {"40ms c2/1 acquired token=2", "25ms c2/1 acquired token=2 name=other", ""},
			"a token that goes back":                   {"acquired token=3", "acquired token=1", "no order has room"},
			"a token that stays":                       {"acquired token=3", "acquired token=2", "no order has room"},
			"a lease without a token":                  {"acquired token=3", "acquired token=0", ""},
			"a failed attempt takes no room":           {"40ms c2/1 acquired token=2 left=100ms votes=3", "40ms c2/1 refused", ""},
			"leases that were asked for are put right": {"15ms c2/1 acquire-invoked", "1ms c2/1 acquire-invoked", ""},
		}},
		"linearizability in too little time": {Linearizable(time.Nanosecond), "", map[string]edit{}},

		"tokens of leases in turn": {TokenOrder, twoInTurn, map[string]edit{
			"the same token twice":                     {"acquired token=2", "acquired token=1", "c2/1 with token 1, given at 40ms, has the token of c1/1"},
			"a smaller token later":                    {"acquired token=2", "acquired token=9", "c3/1 with token 3, given at 60ms, was asked for later"},
			"a smaller token than one before the last": {"acquired token=2", "acquired token=0", ""},

			"tokens with gaps":                       {"acquired token=3", "acquired token=300", ""},
			"a lease without a token does not count": {"acquired token=3", "acquired token=0", ""},
			"another name counts by itself":          {"60ms c3/1 acquired token=3", "60ms c3/1 acquired token=1 name=other", ""},
		}},
		"tokens of attempts at the same time": {TokenOrder, `
			10ms c2/1 acquire-invoked
			10ms c1/1 acquired token=2
			30ms c2/1 acquired token=1
		`, map[string]edit{
			"are free to be either way":   {"30ms", "31ms", ""},
			"until one was given earlier": {"10ms c1/1 acquired", "9.999999ms c1/1 acquired", "smaller token"},
		}},

		"tokens of two at the same time, and one later": {TokenOrder, `
			0ms  c1/1 acquire-invoked
			0ms  c2/1 acquire-invoked
			10ms c1/1 acquired token=5
			12ms c2/1 acquired token=3
			20ms c3/1 acquire-invoked
			30ms c3/1 acquired token=6
		`, map[string]edit{
			"it has to pass the greater one": {"acquired token=6", "acquired token=4", "than c1/1 with token 5"},
			"whichever came first":           {"12ms c2/1 acquired token=3", "9ms c2/1 acquired token=7", "than c2/1 with token 7"},
		}},

		"grants": {FullyGranted(3), twoInTurn, map[string]edit{
			"a vote too few":          {"40ms c2/1 acquired token=2 left=100ms votes=3", "40ms c2/1 acquired token=2 left=100ms votes=2", "with 2 votes"},
			"a vote more":             {"40ms c2/1 acquired token=2 left=100ms votes=3", "40ms c2/1 acquired token=2 left=100ms votes=4", ""},
			"no time left":            {"40ms c2/1 acquired token=2 left=100ms", "40ms c2/1 acquired token=2", "0s left"},
			"a moment left":           {"40ms c2/1 acquired token=2 left=100ms", "40ms c2/1 acquired token=2 left=1ns", ""},
			"nothing was given":       {"40ms c2/1 acquired token=2 left=100ms votes=3", "40ms c2/1 refused", ""},
			"none, as it was stopped": {"40ms c2/1 acquired token=2 left=100ms votes=3", "39ms c2 fault-began fault=stop-client\n 40ms c2/1 acquired token=2\n 40ms c2 fault-ended fault=stop-client", ""},
			"less than no time ":      {"40ms c2/1 acquired token=2 left=100ms", "40ms c2/1 acquired token=2 left=-1s", "0s left"},
		}},

		"a loss": {LostInTime(50 * time.Millisecond), `
			10ms c1/1 acquired left=100ms
			40ms c1/1 extended held left=100ms
			150ms c1/1 lost
			200ms c1/1 observed
			210ms c1/1 release-invoked
			220ms c1/1 released
		`, map[string]edit{
			"at the last moment":                   {"150ms c1/1 lost", "190ms c1/1 lost", ""},
			"a moment too late":                    {"150ms c1/1 lost", "190.000001ms c1/1 lost", "not lost before 190.000001ms"},
			"by the word before the last":          {"40ms c1/1 extended held left=100ms", "40ms c1/1 extend-failed", ""},
			"too late by the only word":            {"40ms c1/1 extended held left=100ms", "40ms c1/1 observed held left=50ms", "though it had ended by 90ms"},
			"never":                                {"150ms c1/1 lost", "150ms c1/1 extend-failed", "not lost before 200ms"},
			"never, though the client knows":       {"150ms c1/1 lost", "150ms c1/1 observed", "not lost before 200ms"},
			"late, though the client knows":        {"150ms c1/1 lost", "150ms c1/1 observed\n 195ms c1/1 lost", "not lost before 195ms"},
			"after the client knows":               {"150ms c1/1 lost", "150ms c1/1 observed\n 180ms c1/1 lost", ""},
			"and valid again":                      {"200ms c1/1 observed", "200ms c1/1 observed held", "valid again after lost"},
			"to which a pause long ago is nothing": {"150ms c1/1 lost", "20ms c1 fault-began fault=stop-client\n 21ms c1 fault-ended fault=stop-client\n 150ms c1/1 lost", ""},
			"and extended again":                   {"200ms c1/1 observed", "200ms c1/1 extended held left=1s", "valid again after lost"},
			"and valid at its release":             {"210ms c1/1 release-invoked", "210ms c1/1 release-invoked held", "valid again after lost"},
			"seen, and valid again":                {"150ms c1/1 lost", "145ms c1/1 observed\n 150ms c1/1 lost\n 151ms c1/1 observed held", "valid again after observed"},
			"of another lease":                     {"200ms c1/1 observed", "200ms c1/2 observed held", ""},
			"of a lease that nobody knows":         {"10ms c1/1 acquired left=100ms", "10ms c1/1 refused", ""},
			"of which another has better news":     {"40ms c1/1 extended held left=100ms", "40ms c2/1 extended held left=1h", ""},
			"which another's pause cannot help":    {"150ms c1/1 lost", "100ms c2 fault-began fault=stop-client\n 195ms c1/1 lost", "not lost"},
			"which its own pause excuses":          {"150ms c1/1 lost", "100ms c1 fault-began fault=stop-client\n 195ms c1/1 lost", ""},
		}},
		"a release": {LostInTime(50 * time.Millisecond), `
			10ms c1/1 acquired left=100ms
			40ms c1/1 release-invoked held left=70ms
			1s c1/1 released
		`, map[string]edit{
			"and seen valid afterwards":             {"1s c1/1 released", "1s c1/1 released\n 1.1s c1/1 observed held", "valid again after released"},
			"that failed, and seen valid":           {"1s c1/1 released", "1s c1/1 release-failed\n 1.1s c1/1 observed held", "valid again after release-failed"},
			"and seen valid while it goes on":       {"40ms c1/1 release-invoked held left=70ms", "40ms c1/1 release-invoked held left=70ms\n 41ms c1/1 observed held", ""},
			"that follows a late loss":              {"1s c1/1 released", "1s c1/1 released\n 1.1s c1/1 lost", ""},
			"at the last moment":                    {"40ms c1/1 release-invoked held left=70ms", "160ms c1/1 release-invoked", ""},
			"after that":                            {"40ms c1/1 release-invoked held left=70ms", "160.1ms c1/1 release-invoked", "not lost before 160.1ms"},
			"after a look that had to be told more": {"40ms c1/1 release-invoked held left=70ms", "900ms c1/1 observed", "not lost before 900ms"},
		}},
		"a client that stands still": {LostInTime(50 * time.Millisecond), `
			10ms c1/1 acquired left=100ms
			50ms c1 fault-began fault=stop-client
			900ms c1 fault-ended fault=stop-client
			940ms c1/1 lost
		`, map[string]edit{
			"is told when it goes on":         {"940ms c1/1 lost", "950ms c1/1 lost", ""},
			"but not much later":              {"940ms c1/1 lost", "951ms c1/1 lost", "not lost"},
			"has slept":                       {"50ms c1 fault-began fault=stop-client", "50ms c1 fault-began fault=suspend-client", ""},
			"was stopped too late to matter":  {"50ms c1 fault-began", "161ms c1 fault-began", "not lost"},
			"was stopped just in time":        {"50ms c1 fault-began", "160ms c1 fault-began", ""},
			"went on before it mattered":      {"900ms c1 fault-ended", "60ms c1 fault-ended", "not lost"},
			"was another one":                 {"50ms c1 fault-began", "50ms c2 fault-began", "not lost"},
			"was slow":                        {"50ms c1 fault-began fault=stop-client", "50ms c1 fault-began fault=client-rate", "not lost"},
			"as all of them":                  {"50ms c1 fault-began", "50ms - fault-began", ""},
			"and is valid again, which is no": {"940ms c1/1 lost", "940ms c1/1 lost\n 941ms c1/1 observed held", "valid again"},
		}},

		"changes of keys": {OwnerOnly, `
			1ms n1 changed op=acquire value=a
			2ms n1 changed op=acquire value=a before=a
			3ms n1 changed op=extend value=a before=a
			4ms n1 changed op=release value=a before=a
			5ms n1 changed op=heal value=b
			6ms n1 changed op=forget before=b
			7ms n1 changed op=acquire value=c left=1s
			8ms n1 changed op=handover value=c before=c next=d left=1s
			9ms n1 changed op=handover value=c before=d next=d left=2s
		`, map[string]edit{
			"an acquisition over another":       {"2ms n1 changed op=acquire value=a before=a", "2ms n1 changed op=acquire value=b before=a", "acquire of"},
			"an extension of another":           {"op=extend value=a", "op=extend value=b", "extend of"},
			"an extension of nothing":           {"op=extend value=a before=a", "op=extend value=a", "extend of"},
			"a release of another":              {"op=release value=a", "op=release value=b", "release of"},
			"a release of nothing":              {"op=release value=a before=a", "op=release value=a", "release of"},
			"a heal over another":               {"op=heal value=b", "op=heal value=b before=a", "heal of"},
			"a heal of one's own":               {"op=heal value=b", "op=heal value=b before=b", ""},
			"an unknown operation on another":   {"op=heal value=b", "op=swap value=b before=a", "swap of"},
			"a fault in an operation's clothes": {"op=forget before=b", "op=forget before=c", ""},
			"a hand-over of another's key":      {"before=c next=d", "before=b next=d", "handover of"},
			"a hand-over of nothing":            {"before=c next=d", "next=d", "handover of"},
			"a hand-over that leaves the value": {"before=c next=d", "before=c next=c", "handover of"},
			"a hand-over to nobody":             {"before=c next=d", "before=c", "handover of"},
			"a second one over another":         {"before=d next=d", "before=e next=d", "handover of"},
			"a second one that says another":    {"before=d next=d", "before=d next=e", "handover of"},
		}},

		"looks at keys": {EveryKeyExpires(time.Second), `
			1ms n1 found value=a left=1s
			2ms n1 changed op=acquire value=a left=1s
			3ms n1 changed op=release value=a before=a
		`, map[string]edit{
			"a key without TTL":              {"found value=a left=1s", "found value=a left=-1ns", "has no TTL"},
			"a key that lives too long":      {"found value=a left=1s", "found value=a left=1001ms", "lives for 1.001s"},
			"a key that is all but gone":     {"found value=a left=1s", "found value=a", ""},
			"a key that is stored for good":  {"op=acquire value=a left=1s", "op=acquire value=a left=-1ns", "has no TTL"},
			"a key that is stored too long":  {"op=acquire value=a left=1s", "op=acquire value=a left=2s", "lives for 2s"},
			"a lease is no key":              {"found value=a left=1s", "observed left=1h", ""},
			"a key that is kept by a number": {"op=release value=a before=a", "op=release value=a before=a left=1ms", ""},
			"a hand-over":                    {"op=release value=a before=a", "op=handover value=a before=a next=b left=1s", ""},
			"a hand-over without TTL":        {"op=release value=a before=a", "op=handover value=a before=a next=b left=-1ns", "has no TTL"},
			"a hand-over for too long":       {"op=release value=a before=a", "op=handover value=a before=a next=b left=2s", "lives for 2s"},
		}},
		"looks at keys of any TTL": {EveryKeyExpires(0), "1ms n1 found value=a left=1h", map[string]edit{
			"without one": {"left=1h", "left=-1ns", "has no TTL"},
		}},

		"the end": {NoOrphans, `
			1ms n1 found value=a left=1s
			2ms - ended
			3ms - healed
			4ms - looked
		`, map[string]edit{
			"at which nobody looks":         {"4ms - looked", "4ms - healed", "nobody looked"},
			"before which somebody looks":   {"1ms n1 found", "1ms - looked\n 1ms n1 found", ""},
			"a key after it":                {"3ms - healed", "3ms n1 found value=a left=1s", "node n1 still has"},
			"a key after one of them":       {"1ms n1 found", "0ms - ended\n 1ms n1 found", ""},
			"a key at the same time, after": {"3ms - healed", "2ms n1 found value=a", "still has"},
			"that never came":               {"2ms - ended", "2ms - healed", "does not end"},
		}},

		"a lease that keeps its word": {Promised(100*time.Millisecond, 5*time.Millisecond), `
			10ms c1/1 acquire-invoked
			20ms c1/1 acquired left=90ms
			50ms c1/1 extend-invoked
			60ms c1/1 extended left=86ms
			70ms c1/1 observed held left=76ms
			143ms c1/1 lost
			144ms c1/1 release-invoked
		`, map[string]edit{
			"but for what drift takes":        {"extended left=86ms", "extended left=85ms", ""},
			"and is extended for too short":   {"extended left=86ms", "extended left=84ms", "has no more than 84ms left"},
			"and is extended in vain":         {"60ms c1/1 extended left=86ms", "60ms c1/1 extended left=50ms", "has no more than 50ms left"},
			"and is not extended":             {"60ms c1/1 extended left=86ms", "60ms c1/1 extend-failed", ""},
			"and takes it back":               {"observed held left=76ms", "observed held left=20ms", "and now until 90ms only"},
			"and is lost too early":           {"143ms c1/1 lost", "100ms c1/1 lost", "was to be valid until 146ms"},
			"and is lost as its client slept": {"143ms c1/1 lost", "71ms c1 fault-began fault=suspend-client\n 99ms c1 fault-ended fault=suspend-client\n 100ms c1/1 lost", ""},
			"and is lost as another slept":    {"143ms c1/1 lost", "71ms c2 fault-began fault=suspend-client\n 99ms c2 fault-ended fault=suspend-client\n 100ms c1/1 lost", "was lost"},
			"up to its release":               {"143ms c1/1 lost", "100ms c1/1 release-invoked held\n 101ms c1/1 observed", ""},
		}},
		"a lease that is renewed": {Kept, `
			10ms - healed
			20ms c1/1 acquired renewed left=90ms
			90ms c1/1 observed held left=50ms
			500ms c1/1 release-invoked
			600ms c1/1 observed
			700ms - ended
		`, map[string]edit{
			"and lost":                     {"90ms c1/1 observed held left=50ms", "90ms c1/1 lost", "was lost"},
			"and found to have ended":      {"90ms c1/1 observed held left=50ms", "90ms c1/1 observed", "was lost"},
			"and lost among faults":        {"10ms - healed", "30ms - healed\n 90ms c1/1 lost", ""},
			"by nobody, and then runs out": {"20ms c1/1 acquired renewed", "20ms c1/1 acquired\n 100ms c1/1 lost", ""},
		}},
		"an attempt that has a deadline": {Punctual(5 * time.Millisecond), `
			10ms c1/1 acquire-invoked deadline=50ms
			55ms c1/1 refused
		`, map[string]edit{
			"and misses it":                           {"55ms c1/1 refused", "56ms c1/1 refused", "had until 50ms, and returned at 56ms"},
			"and wins after it":                       {"55ms c1/1 refused", "60ms c1/1 acquired", "had until 50ms, and returned at 60ms"},
			"and another that has none":               {"10ms c1/1 acquire-invoked deadline=50ms", "10ms c1/1 acquire-invoked\n 70ms c1/1 refused", ""},
			"and misses it as its client was stopped": {"55ms c1/1 refused", "20ms c1 fault-began fault=stop-client\n 90ms c1 fault-ended fault=stop-client\n 91ms c1/1 refused", ""},
		}},

		"a register": {FencedRegister, `
			1ms c1/1 read token=1 data=
			2ms c1/1 wrote token=1 data=x held
			3ms c2/1 read token=2 data=x
			4ms c1/1 wrote token=1 data=y
			5ms c2/1 wrote token=2 data=z held
			6ms c2/1 wrote token=2 data=zz held
		`, map[string]edit{
			"takes a stale write":           {"4ms c1/1 wrote token=1 data=y", "4ms c9/1 wrote token=1 data=x held", "took \"x\" from c9/1 with token 1, after token 2"},
			"takes a stale write over one":  {"6ms c2/1 wrote token=2", "6ms c2/1 wrote token=1", "after token 2"},
			"takes one with the same token": {"4ms c1/1 wrote token=1 data=y", "4ms c9/1 wrote token=2 data=x held", ""},
			"takes one without a token":     {"4ms c1/1 wrote token=1 data=y", "4ms c9/1 wrote data=x held", ""},
			"loses an update":               {"3ms c2/1 read token=2 data=x", "3ms c2/1 read token=2 data=", "lost \"x\" of c1/1"},
			"loses one of its own reader":   {"3ms c2/1 read token=2 data=x", "1.5ms c2/1 read token=1 data=w", "lost \"x\" of c1/1"},
			"is written unread":             {"3ms c2/1 read token=2 data=x", "3ms c2/1 observed", ""},
			"of another name":               {"4ms c1/1 wrote token=1 data=y", "4ms c1/1 wrote token=1 data=y held name=other", ""},
			"shows tokens that only read":   {"6ms c2/1 wrote token=2 data=zz held", "5ms c9/1 read token=9 data=z\n 6ms c2/1 wrote token=2 data=zz held", "after token 9"},
			"refuses":                       {"5ms c2/1 wrote token=2 data=z held", "5ms c2/1 wrote token=2 data=z", ""},
			"lets a stale reader read":      {"4ms c1/1 wrote token=1 data=y", "4ms c1/1 read token=1 data=x", ""},
		}},

		"waking": {Waking(50*time.Millisecond, 100*time.Millisecond), `
			10ms c1/1 acquire-invoked
			10ms c1/1 acquired left=100ms
			15ms c2/1 acquire-invoked
			20ms n1 fault-began fault=kill
			40ms c1/1 release-invoked held
			80ms c2/1 acquired left=100ms
			100ms c2/1 release-invoked held
			110ms c3/1 acquire-invoked
			115ms c3/1 refused
			300ms c3/2 acquire-invoked
			310ms c3/2 acquired left=100ms
			2s - ended
		`, map[string]edit{
			"at the edge":           {"80ms c2/1 acquired", "90ms c2/1 acquired", ""},
			"too long":              {"80ms c2/1 acquired", "90.1ms c2/1 acquired", "nobody got it for 50.1ms"},
			"with a pause":          {"300ms c3/2 acquire-invoked", "155ms c3/2 acquire-invoked\n 160ms c3/2 refused\n 300ms c3/2 acquire-invoked", ""},
			"for one who is halted": {"80ms c2/1 acquired", "30ms c9 fault-began fault=stop-client\n 35ms c9 fault-ended fault=stop-client\n 95ms c2/1 acquired", ""},
			"long after one was halted": {
				"310ms c3/2 acquired", "30ms c9 fault-began fault=stop-client\n 35ms c9 fault-ended fault=stop-client\n 351ms c3/2 acquired", "for 51ms",
			},
		}},

		"waiting": {Liveness(50 * time.Millisecond), `
			10ms c1/1 acquire-invoked
			10ms c1/1 acquired left=100ms
			15ms c2/1 acquire-invoked
			20ms - healed
			40ms c1/1 release-invoked held
			80ms c2/1 acquired left=100ms
			300ms c3/1 acquire-invoked
			310ms c3/1 refused
			330ms c3/2 acquire-invoked
			350ms c3/2 refused
			2s c3/3 acquire-invoked
			2.01s c3/3 acquired left=100ms
			2.02s c3/3 release-invoked
			2.1s - ended
		`, map[string]edit{
			"at the edge":                        {"80ms c2/1 acquired", "90ms c2/1 acquired", ""},
			"too long":                           {"80ms c2/1 acquired", "90.1ms c2/1 acquired", "nobody got it for 50.1ms"},
			"that nobody answers":                {"2.02s c3/3 release-invoked", "2.02s c3/3 release-invoked\n 2.021s c4/1 acquire-invoked", "for 79ms"},
			"for one that is held":               {"40ms c1/1 release-invoked held", "70ms c1/1 release-invoked held", ""},
			"for one that is never released":     {"2.02s c3/3 release-invoked", "2.02s c4/1 acquire-invoked", ""},
			"for one that is lost":               {"40ms c1/1 release-invoked held", "22ms c1/1 lost", "for 58ms"},
			"for one that is over":               {"40ms c1/1 release-invoked held", "22ms c1/1 observed", "for 58ms"},
			"for one that was extended":          {"40ms c1/1 release-invoked held", "22ms c1/1 extended left=50ms", ""},
			"for one that was said to be short":  {"40ms c1/1 release-invoked held", "22ms c1/1 observed held left=5ms", "for 53ms"},
			"for one that was lost and released": {"40ms c1/1 release-invoked held", "22ms c1/1 lost\n 79ms c1/1 release-invoked", "for 58ms"},
			"for one that is over and released":  {"40ms c1/1 release-invoked held", "22ms c1/1 observed\n 79ms c1/1 release-invoked", "for 58ms"},
			"before the faults have ended":       {"20ms - healed", "35ms - healed", ""},
			"after they have ended":              {"20ms - healed", "75ms - healed", ""},
			"and giving up":                      {"350ms c3/2 refused", "351ms c3/2 refused", "for 51ms"},
			"and coming back within a second":    {"2s c3/3 acquire-invoked", "1.35s c3/3 acquire-invoked", "for 1.71s"},
			"and coming back a moment later":     {"2s c3/3 acquire-invoked", "1.350001s c3/3 acquire-invoked", "for 659.999ms"},
			"for a fleet that never heals":       {"20ms - healed", "20ms - ended", "never end"},
			"for another lock, which is free":    {"2.02s c3/3 release-invoked", "2.02s c4/1 acquire-invoked name=other", "\"other\" was free and asked for, and nobody got it for 80ms"},
		}},

		"sense": {WellFormed, twoInTurn + "80ms c4/1 acquire-invoked\n90ms c4/1 refused\n91ms - ended", map[string]edit{
			"time goes back":                {"91ms - ended", "89ms - ended", "ended at 89ms follows refused at 90ms"},
			"time stands still":             {"91ms - ended", "90ms - ended", ""},
			"an attempt begins twice":       {"80ms c4/1 acquire-invoked", "80ms c3/1 acquire-invoked\n 80ms c4/1 acquire-invoked", "c3/1 began twice"},
			"an attempt has two outcomes":   {"90ms c4/1 refused", "90ms c4/1 refused\n90ms c4/1 refused", "was refused, and then refused"},
			"an outcome of nothing":         {"90ms c4/1 refused", "90ms c5/1 refused", "which never began"},
			"a lease changes its name":      {"20ms c1/1 observed", "20ms c1/1 observed name=other", "which began on \"job\""},
			"a lease that nobody has":       {"91ms - ended", "91ms c4/1 observed", "which was never acquired"},
			"a release that was not begun":  {"30ms c1/1 release-invoked held left=80ms", "30ms c1/1 observed held", "whose release never began"},
			"an event of nobody":            {"91ms - ended", "91ms c4 lost", "does not say of whose"},
			"an event of no name":           {"20ms c1/1 observed held", "20ms c1/1 observed held name=", "does not say of whose"},
			"an attempt without an outcome": {"90ms c4/1 refused", "90ms c4/9 acquire-invoked", ""},
			"a read without a lease":        {"91ms - ended", "91ms c4/1 read", "which was never acquired"},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			wantVerdict(t, tc.judge, tc.story, "")
			for sentence, edit := range tc.edits {
				t.Run(sentence, func(t *testing.T) {
					if n := strings.Count(tc.story, edit.from); n != 1 {
						t.Fatalf("the story has %q %d times, so this is not an edit of one event", edit.from, n)
					}
					wantVerdict(t, tc.judge, strings.Replace(tc.story, edit.from, edit.to, 1), edit.want)
				})
			}
		})
	}
}

// wantVerdict checks that the judge sees one violation with the text want, or none if that is empty. Stories
// are put in order of time first, as a Recorder does, unless it is the order that is judged.
func wantVerdict(t *testing.T, judge Invariant, story, want string) {
	t.Helper()
	h := parse(t, story)
	if judge.Name != WellFormed.Name {
		h = MergeHistories(h)
	}
	got := judge.Check(h)
	if want == "" {
		if len(got) > 0 {
			t.Errorf("%s: %v, want no violation of\n%s", judge.Name, texts(got), story)
		}
		return
	}
	if len(got) != 1 || !strings.Contains(got[0].Text, want) || got[0].Invariant != judge.Name {
		t.Errorf("%s: %q, want one violation with %q of\n%s", judge.Name, texts(got), want, story)
	}
}

func texts(violations []Violation) []string {
	var list []string
	for _, v := range violations {
		list = append(list, v.Text)
	}
	return list
}

func TestViolationsHaveTheirEvents(t *testing.T) {
	h := parse(t, strings.Replace(twoInTurn, "40ms c2/1 acquired", "25ms c2/1 acquired", 1))
	got := MutualExclusion.Check(MergeHistories(h))
	if len(got) != 1 || len(got[0].Events) != 4 || got[0].At != 25*time.Millisecond {
		t.Fatalf("got %+v, want one violation at 25ms with four events", got)
	}
	for i, want := range []Kind{Acquired, ReleaseInvoked, Acquired, ReleaseInvoked} {
		if kind := got[0].Events[i].Kind; kind != want {
			t.Errorf("event %d is %s, want %s", i, kind, want)
		}
	}
}

func TestLostUpdates(t *testing.T) {
	h := parse(t, `
		1ms c1/1 read data=
		2ms c2/1 read data=
		3ms c2/1 wrote data=b held
		4ms c1/1 wrote data=a held
		5ms c3/1 read data=a
		6ms c3/1 wrote data=c held
		7ms c2/1 wrote data=bb held
	`)
	if got := LostUpdates(h); got != 2 {
		t.Errorf("LostUpdates = %d, want 2: b, and then c", got)
	}
}

// A search without enough time has no verdict, and a run without a verdict must not pass.
func TestSearchOutOfTimeIsAViolation(t *testing.T) {
	h := manyLeases(2_000)
	got := Linearizable(time.Nanosecond).Check(h)
	if len(got) != 1 || !strings.Contains(got[0].Text, "no verdict on 2000 leases") {
		t.Errorf("got %q, want no verdict", texts(got))
	}
	if got := Agree(time.Nanosecond).Check(h); got != nil {
		t.Errorf("Agree says %q of a search that has not ended", texts(got))
	}
}

func TestJudgesThatDisagree(t *testing.T) {
	claims := claimsByName(manyLeases(3))["job"]
	tests := map[string]struct {
		fits  bool
		found porcupine.CheckResult
		want  bool
	}{
		"both say yes":             {true, porcupine.Ok, false},
		"both say no":              {false, porcupine.Illegal, false},
		"only the sweep says yes":  {true, porcupine.Illegal, true},
		"only the search says yes": {false, porcupine.Ok, true},
		"the search does not say":  {true, porcupine.Unknown, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := compare("job", claims, tc.fits, tc.found)
			if (len(got) > 0) != tc.want {
				t.Errorf("compare(fits %t, %s) = %q, want a disagreement: %t", tc.fits, tc.found, texts(got), tc.want)
			}
		})
	}
}

func TestOverlapsAreBounded(t *testing.T) {
	var h History
	for i := range 300 {
		h = append(h, Event{Kind: Acquired, Client: "c", Lease: i + 1, Name: "job"})
	}
	for i := range 300 {
		h = append(h, Event{At: time.Second, Kind: Observed, Held: true, Client: "c", Lease: i + 1, Name: "job"})
	}
	if got := len(MutualExclusion.Check(h)); got != maxPairs {
		t.Errorf("%d violations, want %d of 44,850", got, maxPairs)
	}
}

func TestDefault(t *testing.T) {
	with := func(list []Invariant, name string) bool {
		for _, i := range list {
			if i.Name == name {
				return true
			}
		}
		return false
	}
	if with(Default(Bounds{Nodes: 5}), "liveness") {
		t.Error("liveness is judged without a bound")
	}
	if !with(Default(Bounds{Nodes: 5, Idle: time.Second}), "liveness") {
		t.Error("liveness is not judged, in spite of its bound")
	}
	legal := parse(t, twoInTurn+"80ms - healed\n90ms - ended\n91ms - looked")
	for _, i := range Default(Bounds{Nodes: 5, Lifetime: time.Second, Idle: time.Second}) {
		if got := i.Check(legal); got != nil {
			t.Errorf("%s: %q on a legal history", i.Name, texts(got))
		}
		if i.About == "" {
			t.Errorf("%s does not say what it is about", i.Name)
		}
	}
	for name, bounds := range map[string]Bounds{"by the majority": {Nodes: 7}, "by votes": {Nodes: 5, Votes: 4}} {
		t.Run(name, func(t *testing.T) {
			broken := 0
			for _, i := range Default(bounds) {
				broken += len(i.Check(legal))
			}
			if broken != 3 {
				t.Errorf("%d violations, want 3: each lease has 3 votes, and needs 4", broken)
			}
		})
	}
}

// manyLeases is a legal history of n leases on one lock.
func manyLeases(n int) History {
	const ms = time.Millisecond
	var h History
	for i := range n {
		e := Event{Client: []string{"c1", "c2", "c3"}[i%3], Lease: i + 1, Name: "job", Token: uint64(i + 1), Remaining: 10 * ms}
		at := time.Duration(i) * 10 * ms
		add := func(after time.Duration, kind Kind) {
			e.At, e.Kind, e.Held = max(at+after, 0), kind, true
			h = append(h, e)
		}
		add(-5*ms, AcquireInvoked)
		add(ms, Acquired)
		add(3*ms, Observed)
		add(5*ms, ReleaseInvoked)
	}
	return MergeHistories(h)
}

// BenchmarkMutualExclusion is the sweep over acquisitions of one lock.
func BenchmarkMutualExclusion(b *testing.B) {
	h := manyLeases(100_000)
	for b.Loop() {
		if got := MutualExclusion.Check(h); got != nil {
			b.Fatal(texts(got))
		}
	}
}

// BenchmarkLinearizable is the search, on a tenth of the acquisitions.
func BenchmarkLinearizable(b *testing.B) {
	h := manyLeases(10_000)
	for b.Loop() {
		if got := Linearizable(time.Minute).Check(h); got != nil {
			b.Fatal(texts(got))
		}
	}
}

// BenchmarkDefault is everything that a run is judged by but the search.
func BenchmarkDefault(b *testing.B) {
	h := append(manyLeases(100_000), Event{At: time.Hour, Kind: Ended})
	for b.Loop() {
		for _, i := range Default(Bounds{Nodes: 5}) {
			if i.Name != "linearizable" && i.Name != "judges-agree" {
				i.Check(h)
			}
		}
	}
}
