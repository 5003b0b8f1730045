package stampede

import "time"

// Hooks are told what happens. Each may be nil. They run in the goroutine where it happens, and must be
// quick and not call the Cache. Several may run at the same time.
type Hooks struct {
	// Hit: a caller got a fresh value with its first look.
	Hit func(HitEvent)
	// Stale: a caller got a value that is past its time.
	Stale func(StaleEvent)
	// Wait: this process waits for the load of another one.
	Wait func(WaitEvent)
	// Load: a load of this process has ended.
	Load func(LoadEvent)
	// Takeover: this process loads after it had waited for another one, which did not deliver.
	Takeover func(TakeoverEvent)
	// Fenced: what was loaded was not stored, since the claim was void.
	Fenced func(FencedEvent)
	// Error: something failed that callers may not see, or see as a value without cache.
	Error func(ErrorEvent)
}

// A HitEvent tells of a fresh value.
type HitEvent struct {
	Key string
	Age time.Duration
}

// A StaleEvent tells of a value past its time that was served.
type StaleEvent struct {
	Key string
	Age time.Duration
	Err error // why there is no fresh one; nil if one is being loaded
}

// A WaitEvent tells of waiting for another process.
type WaitEvent struct{ Key string }

// A LoadEvent tells of a load.
type LoadEvent struct {
	Key   string
	Token uint64        // see [Load]
	Took  time.Duration // of the loader
	Err   error         // of the loader, or why it was given up
}

// A TakeoverEvent tells of a load in place of another process.
type TakeoverEvent struct {
	Key    string
	Token  uint64
	Waited time.Duration
}

// A FencedEvent tells of a value that was not stored.
type FencedEvent struct {
	Key   string
	Token uint64
}

// An ErrorEvent tells of a failure.
type ErrorEvent struct {
	Key string
	Op  string // what was tried: "read", "lock", "claim", "renew", "store", "fail", "release", "decode", "load"
	Err error
}

func (h Hooks) hit(key string, age time.Duration) {
	if h.Hit != nil {
		h.Hit(HitEvent{Key: key, Age: age})
	}
}

func (h Hooks) stale(key string, age time.Duration, err error) {
	if h.Stale != nil {
		h.Stale(StaleEvent{Key: key, Age: age, Err: err})
	}
}

func (h Hooks) wait(key string) {
	if h.Wait != nil {
		h.Wait(WaitEvent{Key: key})
	}
}

func (h Hooks) load(e LoadEvent) {
	if h.Load != nil {
		h.Load(e)
	}
}

func (h Hooks) takeover(key string, token uint64, waited time.Duration) {
	if h.Takeover != nil {
		h.Takeover(TakeoverEvent{Key: key, Token: token, Waited: waited})
	}
}

func (h Hooks) fenced(key string, token uint64) {
	if h.Fenced != nil {
		h.Fenced(FencedEvent{Key: key, Token: token})
	}
}

func (h Hooks) failed(key, op string, err error) {
	if h.Error != nil && err != nil {
		h.Error(ErrorEvent{Key: key, Op: op, Err: err})
	}
}
