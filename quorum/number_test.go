package quorum_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/memnode"
)

// numbered are terms that ask for a token of at least hint.
func numbered(hint uint64) quorum.Terms {
	t := terms
	t.Hint, t.MaxTTL = hint, time.Minute
	return t
}

// tell asks node i (from 1) directly, past its tap.
func (f *fleet) tell(i int, op quorum.Op) quorum.Answer {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), sec)
	defer cancel()
	op.Key, op.MaxTTL = key, time.Minute
	return f.nodes[i-1].Ask(ctx, []quorum.Op{op})[0]
}

// counted makes the counters of some nodes what they are after an earlier claim: 0 leaves one alone.
func (f *fleet) counted(counters ...uint64) {
	f.t.Helper()
	for i, n := range counters {
		if n == 0 {
			continue
		}
		ans := f.tell(i+1, quorum.Op{Kind: quorum.Acquire, Value: "earlier", TTL: sec, Hint: n})
		if ans.Token != n {
			f.t.Fatalf("the counter of node %d is %+v, want %d", i+1, ans, n)
		}
		f.tell(i+1, quorum.Op{Kind: quorum.Release, Value: "earlier"})
	}
}

// counters lists the nodes' counters, "-" where value is not.
func (f *fleet) counters(value string) string {
	f.t.Helper()
	var list []string
	for i := range f.nodes {
		text := "-"
		// A raise to 1 changes nothing where a counter is.
		if ans := f.tell(i+1, quorum.Op{Kind: quorum.Raise, Value: value, Token: 1}); ans.Verdict == quorum.Mine {
			text = fmt.Sprint(ans.Token)
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// onRaise does something before node i is asked to raise.
func (f *fleet) onRaise(i int, do func()) {
	f.taps[i-1].set(func(p *tap) {
		p.ahead = func(_ context.Context, op quorum.Op) {
			if op.Kind == quorum.Raise {
				do()
			}
		}
	})
}

// asked lists what each node was asked for, as in "acquire raise|acquire".
func (f *fleet) asked() string {
	var list []string
	for _, p := range f.taps {
		list = append(list, p.kinds())
	}
	return strings.Join(list, "|")
}

// The token is a number that a majority gave exactly. What is printed are the counters in the end.
func TestTheTokenOfAClaim(t *testing.T) {
	tests := map[string]struct {
		size     int
		before   []uint64
		fault    func(f *fleet)
		token    uint64
		took     time.Duration
		levelled bool
		asked    string // of each node; any if empty
		counters string
	}{
		"all nodes take the hint, in one round": {
			5, nil, nil, 100, 0, false, "acquire|acquire|acquire|acquire|acquire", "100 100 100 100 100",
		},
		"all nodes have the same counter, past the hint": {
			3, []uint64{500, 500, 500}, nil, 501, 0, false, "acquire|acquire|acquire", "501 501 501",
		},
		"one of two votes has a larger counter": {
			3,
			[]uint64{500},
			func(f *fleet) { f.taps[2].delayAnswersOnly(quorum.Acquire, 20*ms) },
			501, 0, true, "acquire|acquire raise|acquire", "501 501 100",
		},
		"every vote has another counter": {
			3, []uint64{300, 500, 400}, func(f *fleet) {
				f.taps[2].delayAnswersOnly(quorum.Acquire, 20*ms)
			}, 501, 0, true, "acquire raise|acquire|acquire", "501 501 401",
		},
		"a larger counter comes late, while others are raised": {
			3, []uint64{500, 0, 900}, func(f *fleet) {
				f.taps[1].delayOnly(quorum.Raise, 30*ms)
				f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms)
			}, 901, 10 * ms, true, "acquire raise|acquire raise|acquire", "901 501 901",
		},
		"a larger counter comes when all is settled": {
			3,
			[]uint64{0, 0, 900},
			func(f *fleet) { f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms) },
			100, 0, false, "acquire|acquire|acquire", "100 100 901",
		},
		"a node lost the key before it was raised: another one makes the majority": {
			3, []uint64{500}, func(f *fleet) {
				f.onRaise(2, f.nodes[1].Wipe)
				f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms)
			}, 501, 10 * ms, true, "acquire|acquire raise|acquire raise", "501 - 501",
		},
		"a node's counter turns out larger than its vote said": {
			3, []uint64{500}, func(f *fleet) {
				f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms)
				f.onRaise(2, func() { f.tell(2, quorum.Op{Kind: quorum.Raise, Value: "a", Token: 700}) })
			}, 700, 0, true, "acquire raise|acquire raise|acquire", "700 700 100",
		},
		"the answer of a raise is lost: another node makes the majority": {
			3, []uint64{500}, func(f *fleet) {
				f.onRaise(2, func() { f.nodes[1].DropReplies(1) })
				f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms)
			}, 501, 10 * ms, true, "acquire|acquire raise|acquire raise", "501 501 501",
		},
		"no node numbers what it grants": {
			3, nil, func(f *fleet) { f.unnumbered(1, 2, 3) }, 0, 0, false, "acquire|acquire|acquire", "100 100 100",
		},
		"a minority does not number what it grants": {
			3, nil, func(f *fleet) {
				f.unnumbered(1)
				f.taps[2].delayAnswersOnly(quorum.Acquire, 10*ms)
			}, 100, 10 * ms, true, "", "100 100 100",
		},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, tc.size)
				f.counted(tc.before...)
				if tc.fault != nil {
					tc.fault(f)
				}
				claim, err := f.Acquire(t.Context(), key, "a", numbered(100))
				if err != nil {
					t.Fatal(err)
				}
				if got := f.now(); got != tc.took {
					t.Errorf("it took %v, want %v", got, tc.took)
				}
				if claim.Token() != tc.token || claim.Levelled() != tc.levelled {
					t.Errorf("token %d, levelled %v, want %d, %v", claim.Token(), claim.Levelled(), tc.token, tc.levelled)
				}
				f.until(sec)
				if got := f.asked(); tc.asked != "" && got != tc.asked {
					t.Errorf("the nodes were asked to %q, want %q", got, tc.asked)
				}
				if got := f.counters("a"); got != tc.counters {
					t.Errorf("the counters are %q in the end, want %q", got, tc.counters)
				}
				f.wantSerial()
			})
		})
	}
}

// unnumbered makes some nodes say no number.
func (f *fleet) unnumbered(which ...int) {
	for _, i := range which {
		f.answers(i, func(_ quorum.Op, ans *quorum.Answer) { ans.Token = 0 })
	}
}

// answers changes what node i answers.
func (f *fleet) answers(i int, change func(op quorum.Op, ans *quorum.Answer)) {
	f.taps[i-1].set(func(p *tap) {
		p.answer = func(ctx context.Context, ops []quorum.Op) []quorum.Answer {
			answers := p.Node.Ask(ctx, ops)
			for j := range answers {
				change(ops[j], &answers[j])
			}
			return answers
		}
	})
}

// Where no majority can be brought to one number there is no claim, and nothing is left of it.
func TestNoTokenNoClaim(t *testing.T) {
	hangUp := func(f *fleet, i int) { f.nodes[i-1].Cut() }
	tests := map[string]struct {
		terms quorum.Terms
		fault func(f *fleet)
		took  time.Duration
		why   quorum.Why
	}{
		"a node lost the key before it was raised": {
			numbered(100), func(f *fleet) { hangUp(f, 3); f.onRaise(2, f.nodes[1].Wipe) }, 500 * ms, quorum.Split,
		},
		"a node has another's key when it is to be raised": {
			numbered(100), func(f *fleet) {
				hangUp(f, 3)
				f.onRaise(2, func() { f.nodes[1].Wipe(); f.nodes[1].Put(key, "x", 200*ms) })
			}, 500 * ms, quorum.Split,
		},
		"the answer of a raise is lost": {
			numbered(100), func(f *fleet) { hangUp(f, 3); f.onRaise(2, func() { f.nodes[1].DropReplies(1) }) },
			500 * ms, quorum.Silent,
		},
		"the promises are over when the numbers are equal": {
			quorum.Terms{TTL: 300 * ms, Timeout: 500 * ms, Hint: 100, MaxTTL: time.Minute},
			func(f *fleet) { hangUp(f, 3); f.taps[1].delayOnly(quorum.Raise, 400*ms) }, 500 * ms, quorum.Split,
		},
		"a node raises to less than it was asked to": {
			numbered(100), func(f *fleet) {
				hangUp(f, 3)
				f.answers(2, func(op quorum.Op, ans *quorum.Answer) {
					if op.Kind == quorum.Raise {
						ans.Token = op.Token - 1
					}
				})
			}, 500 * ms, quorum.Silent,
		},
		"nodes that always raise to more than they were asked to": {
			numbered(100), func(f *fleet) {
				hangUp(f, 3)
				for _, i := range []int{1, 2} {
					f.answers(i, func(op quorum.Op, ans *quorum.Answer) {
						if op.Kind == quorum.Raise {
							ans.Token = op.Token + 1
						}
					})
				}
			}, 500 * ms, quorum.Split,
		},
		"a node gives a number that no node may": {
			numbered(100), func(f *fleet) {
				hangUp(f, 3)
				f.answers(2, func(op quorum.Op, ans *quorum.Answer) {
					if op.Kind == quorum.Acquire {
						ans.Token = quorum.MaxToken
					}
				})
			}, 500 * ms, quorum.Silent,
		},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				f.counted(500)
				tc.fault(f)
				miss := f.missed("a", tc.terms)
				if miss.Why != tc.why {
					t.Errorf("it missed with %v (%v), want %v", miss.Why, miss, tc.why)
				}
				if got := f.now(); got > tc.took {
					t.Errorf("it took %v, want %v at most", got, tc.took)
				}
				f.until(5 * sec)
				f.nodes[2].Restore()
				f.until(20 * sec)
				f.wantKept("- - -", "in the end")
			})
		})
	}
}

// levelling is a fleet on which an acquire has to wait for a raise until half a second.
func levelling(t *testing.T) *fleet {
	t.Helper()
	f := newFleet(t, 3)
	f.counted(500)
	f.each((*memnode.Node).Cut, 3)
	f.taps[1].delayOnly(quorum.Raise, 400*ms)
	return f
}

func TestAContextEndsLevelling(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := levelling(t)
		ctx, cancel := context.WithTimeout(t.Context(), 100*ms)
		defer cancel()
		claim, err := f.Acquire(ctx, key, "a", numbered(100))
		if !errors.Is(err, context.DeadlineExceeded) || claim != nil || f.now() != 100*ms {
			t.Errorf("claim %v, error %v at %v, want the error of the context at 100ms", claim, err, f.now())
		}
		f.until(5 * sec)
		f.wantKept("- - -", "in the end")
	})
}

func TestCloseEndsLevelling(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := levelling(t)
		closed := make(chan error, 1)
		time.AfterFunc(100*ms, func() { closed <- f.Close() })
		claim, err := f.Acquire(t.Context(), key, "a", numbered(100))
		if !errors.Is(err, quorum.ErrClosed) || claim != nil || f.now() != 100*ms {
			t.Errorf("claim %v, error %v at %v, want ErrClosed at 100ms", claim, err, f.now())
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		f.wantKept("- - -", "after Close")
	})
}

// A hand-over is a grant: its token is greater than that of the claim it ends.
func TestAHandOverIsNumbered(t *testing.T) {
	tests := map[string]struct {
		hint     uint64
		fault    func(f *fleet)
		token    uint64
		levelled bool
		counters string
	}{
		"one more than before":    {50, func(*fleet) {}, 101, false, "101 101 101"},
		"the hint, if it is more": {300, func(*fleet) {}, 300, false, "300 300 300"},
		"levelled, if nodes differ": {50, func(f *fleet) {
			f.tell(2, quorum.Op{Kind: quorum.Raise, Value: "a", Token: 700})
			f.taps[2].delayAnswersOnly(quorum.HandOver, 10*ms)
		}, 701, true, "701 701 101"},
		"on those that still hold the claim": {50, func(f *fleet) { f.nodes[2].Wipe() }, 101, false, "101 101 -"},
		"by the others, if a node loses the key before it is raised": {50, func(f *fleet) {
			f.tell(2, quorum.Op{Kind: quorum.Raise, Value: "a", Token: 700})
			f.taps[2].delayAnswersOnly(quorum.HandOver, 10*ms)
			f.onRaise(1, f.nodes[0].Wipe)
		}, 701, true, "- 701 701"},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				claim, err := f.Acquire(t.Context(), key, "a", numbered(100))
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				tc.fault(f)
				out := f.handOver(claim, "b", numbered(tc.hint))
				if out.err != nil {
					t.Fatal(out.err)
				}
				if out.claim.Token() != tc.token || out.claim.Levelled() != tc.levelled {
					t.Errorf("token %d, levelled %v, want %d, %v", out.claim.Token(), out.claim.Levelled(), tc.token, tc.levelled)
				}
				f.until(sec)
				if got := f.counters("b"); got != tc.counters {
					t.Errorf("the counters are %q, want %q", got, tc.counters)
				}
			})
		})
	}
}

func TestAHandOverWithoutATokenIsReleased(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		claim, err := f.Acquire(t.Context(), key, "a", numbered(100))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f.tell(1, quorum.Op{Kind: quorum.Raise, Value: "a", Token: 700})
		f.each((*memnode.Node).Wipe, 3)
		f.onRaise(2, f.nodes[1].Wipe)
		out := f.handOver(claim, "b", numbered(50))
		_ = wantMiss(t, out.claim, out.err)
		f.until(sec)
		f.wantKept("- - -", "after it")
	})
}

// Who asks the home first gets its number from there, and the others are brought to it.
func TestHomeFirstIsNumbered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 3)
		home := numbered(100)
		home.HomeFirst = true
		first, err := f.Acquire(t.Context(), key, "a", home)
		if err != nil {
			t.Fatal(err)
		}
		f.release(first)
		synctest.Wait()
		f.counted(500, 500)
		second, err := f.Acquire(t.Context(), key, "b", home)
		if err != nil {
			t.Fatal(err)
		}
		if first.Token() != 100 || first.Levelled() || second.Token() != 501 {
			t.Errorf("tokens %d (levelled %v) and %d, want 100 at once and 501", first.Token(), first.Levelled(), second.Token())
		}
	})
}

// More votes than a majority are wanted for the lease, not for its token.
func TestATokenNeedsAMajority(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5, withVotes(4))
		f.counted(500)
		f.taps[4].delayAnswersOnly(quorum.Acquire, 10*ms)
		f.taps[3].delayOnly(quorum.Raise, 50*ms)
		claim, err := f.Acquire(t.Context(), key, "a", numbered(100))
		if err != nil {
			t.Fatal(err)
		}
		if claim.Token() != 501 || !claim.Levelled() || f.now() >= 50*ms {
			t.Errorf("token %d, levelled %v at %v, want 501 by three of five", claim.Token(), claim.Levelled(), f.now())
		}
		f.until(sec)
		if got := f.counters("a"); strings.Count(got, "501") < 3 {
			t.Errorf("the counters are %q, want a majority at 501", got)
		}
	})
}

// A claim that is taken over has the token it had, or, if nobody knows that any more, a new one that is greater.
func TestResumeIsNumbered(t *testing.T) {
	tests := map[string]struct {
		token uint64
		terms quorum.Terms
		fault func(f *fleet)
		want  uint64
		asked string
	}{
		"with its token":                              {100, numbered(900), func(*fleet) {}, 100, "extend|extend|extend"},
		"without, if none is asked":                   {0, terms, func(*fleet) {}, 0, "extend|extend|extend"},
		"without: a new one":                          {0, numbered(900), func(*fleet) {}, 900, ""},
		"without: more than the nodes gave the other": {0, numbered(5), func(*fleet) {}, 101, ""},
		"without, and the nodes differ": {0, numbered(900), func(f *fleet) {
			f.tell(2, quorum.Op{Kind: quorum.Raise, Value: "a", Token: 700})
			f.taps[2].delayOnly(quorum.Extend, 10*ms)
		}, 900, ""},
	}
	for sentence, tc := range tests {
		t.Run(sentence, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				f := newFleet(t, 3)
				before, err := f.Acquire(t.Context(), key, "a", numbered(100))
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				tc.fault(f)
				for _, p := range f.taps {
					p.set(func(p *tap) { p.asks = nil })
				}
				claim, err := f.Resume(t.Context(), key, "a", tc.token, tc.terms)
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if claim.Token() != tc.want {
					t.Errorf("token %d, want %d", claim.Token(), tc.want)
				}
				if got := f.asked(); tc.asked != "" && got != tc.asked {
					t.Errorf("the nodes were asked to %q, want %q", got, tc.asked)
				}
				f.release(before)
			})
		})
	}
}

// The claims of any two that follow each other on different majorities have tokens in their order, whatever
// the second one's hint.
func TestTokensFollowTheOrderOfClaims(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		f := newFleet(t, 5)
		last := uint64(0)
		for n := range 60 {
			out := []int{1 + n%5, 1 + (n+1+n/5%3)%5}
			f.each((*memnode.Node).Cut, out...)
			value := fmt.Sprint("v", n)
			claim, err := f.Acquire(t.Context(), key, value, numbered(uint64(1+n*7%40)))
			if err != nil {
				t.Fatal(err)
			}
			if claim.Token() <= last {
				t.Fatalf("claim %d has token %d after %d", n, claim.Token(), last)
			}
			last = claim.Token()
			f.release(claim)
			f.each((*memnode.Node).Restore, out...)
			f.until(f.now() + 12*sec) // also for nodes that are left alone after failures
		}
	})
}
