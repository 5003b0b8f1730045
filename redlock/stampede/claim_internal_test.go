package stampede

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
)

// What claim.lua answers to a claim of token 5, by what the data node has.
func TestClaimReplies(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: quorumtest.RedisServer(t).Addr()})
	t.Cleanup(func() { client.Close() })
	d, n := data{client}, namesOf(DefaultPrefix, "k")
	value := frame{mark: 4, fresh: time.Minute, hard: time.Minute}.encode()
	tests := map[string]struct {
		value  []byte
		claim  string
		failed string
		seen   string
		alone  bool
		want   int64
	}{
		"nothing":                                  {want: claimLoad},
		"a value that was stored meanwhile":        {value: value, want: claimFilled},
		"the value that the caller has seen":       {value: value, seen: markOf(value), want: claimLoad},
		"one after the one that it has seen":       {value: value, seen: "12345678", want: claimFilled},
		"nothing any more":                         {seen: "12345678", want: claimLoad},
		"any value, if it is to be loaded anew":    {value: value, seen: "*", want: claimLoad},
		"a failure":                                {failed: "boom", want: claimFailed},
		"a failure, if it is to be loaded anew":    {failed: "boom", seen: "*", want: claimLoad},
		"an older claim":                           {claim: "4-x", want: claimLoad},
		"a claim that no lease stands behind":      {claim: "0-x", want: claimLoad},
		"a later claim":                            {claim: "6-x", want: claimLate},
		"a later claim, by digits and not by text": {claim: "10-x", want: claimLate},
		"its own, as after a lost reply":           {claim: "5-mine", want: claimLoad},
		"a claim, to one without lease":            {claim: "4-x", alone: true, want: claimTaken},
		"its own, to one without lease":            {claim: "5-mine", alone: true, want: claimLoad},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			client.FlushDB(t.Context())
			for key, text := range map[string]string{n.value: string(tc.value), n.claim: tc.claim, n.failed: tc.failed} {
				if text != "" {
					client.Set(t.Context(), key, text, time.Minute)
				}
			}
			got, err := d.claim(t.Context(), n, "5-mine", 5, tc.seen, time.Second, tc.alone)
			if err != nil || got.code != tc.want {
				t.Fatalf("claim = %+v, %v; want code %d", got, err, tc.want)
			}
			mine := client.Get(t.Context(), n.claim).Val() == "5-mine"
			if mine != (tc.want == claimLoad) {
				t.Errorf("the claim is the caller's: %v, after code %d", mine, got.code)
			}
		})
	}
}
