package fence_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/quorumlock/quorumlock/redlock/fence/fencetest"
)

func TestMemoryConforms(t *testing.T) {
	fencetest.Conformance(t, func(*testing.T) fencetest.Fixture {
		return fencetest.Fixture{Guard: fence.NewMemory()}
	})
}

func TestMemoryKeepsOnlyWhatWasAdmitted(t *testing.T) {
	m := fence.NewMemory()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"no token":      m.Register(t.Context(), "a", 0),
		"an ended wait": m.Register(ended, "a", 1),
		"no name":       m.Register(t.Context(), "", 1),
	} {
		if err == nil {
			t.Errorf("%s was admitted", name)
		}
	}
	if kept := m.Len(); kept != 0 {
		t.Errorf("%d resources are kept, want none", kept)
	}
	for range 3 {
		if err := m.Register(t.Context(), "a", 34); err != nil {
			t.Fatal(err)
		}
	}
	if kept := m.Len(); kept != 1 {
		t.Errorf("%d resources are kept, want 1", kept)
	}
	m.Forget("a")
	m.Forget("b")
	if kept := m.Len(); kept != 0 {
		t.Errorf("%d resources are kept after Forget, want none", kept)
	}
	if err := m.Register(t.Context(), "a", 1); err != nil {
		t.Errorf("the first token after Forget: %v", err)
	}
}

// What is forgotten under a write must not let another one in beside it, be it one that waits already or
// one that comes later.
func TestMemoryForgetsUnderAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fence.NewMemory()
		var others sync.WaitGroup
		inside := 0
		write := func(context.Context) error {
			inside++
			if inside != 1 {
				t.Errorf("%d writes at once", inside)
			}
			m.Forget("a")
			time.Sleep(time.Second)
			inside--
			return nil
		}
		for i := range uint64(5) {
			others.Go(func() {
				time.Sleep(time.Duration(i) * 400 * time.Millisecond)
				if err := m.Write(t.Context(), "a", 34-i, write); err != nil {
					t.Errorf("an old token after Forget: %v", err)
				}
			})
		}
		others.Wait()
		m.Forget("a")
		if kept := m.Len(); kept != 0 {
			t.Errorf("%d resources are kept, want none", kept)
		}
	})
}

// Who waits behind a newer holder learns at his turn that he is stale, and who gives up leaves nothing.
func TestMemoryJudgesAtTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := fence.NewMemory()
		var others sync.WaitGroup
		write := func(ctx context.Context) error {
			others.Go(func() {
				if err := m.Register(ctx, "a", 33); !errors.Is(err, fence.ErrStale) {
					t.Errorf("the older one: %v, want ErrStale", err)
				}
			})
			impatient, cancel := context.WithTimeoutCause(ctx, time.Second, errors.New("enough"))
			defer cancel()
			if err := m.Register(impatient, "a", 35); err == nil || err.Error() != "enough" {
				t.Errorf("the impatient one: %v, want the cause of the end", err)
			}
			return nil
		}
		if err := m.Write(t.Context(), "a", 34, write); err != nil {
			t.Error(err)
		}
		others.Wait()
		if err := m.Register(t.Context(), "a", 34); err != nil {
			t.Errorf("the writer itself, afterwards: %v", err)
		}
	})
}

// BenchmarkMemory is what the guard adds to each access: a map, two mutexes and a channel.
func BenchmarkMemory(b *testing.B) {
	m := fence.NewMemory()
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Register(b.Context(), "a", 34); err != nil {
			b.Fatal(err)
		}
	}
}
