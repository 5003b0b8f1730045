package redlock

import (
	"container/heap"
	"sync"
	"time"

	"github.com/quorumlock/quorumlock/clock"
)

// lookEvery bounds the time between two looks at the clock while leases are held. Timers stand still
// while a machine is suspended; the clock does not, and a look finds out.
const lookEvery = 250 * time.Millisecond

// A task is something that the scheduler looks at when it is due.
type task interface {
	// due is when the scheduler must look next.
	due() clock.Instant
	// look does what is due now, without blocking, and reports whether it has to be looked at again. It
	// may not call the scheduler.
	look(now clock.Instant) (goesOn bool)
	// entry is where the scheduler keeps its own note about the task.
	entry() *entry
}

// An entry is a task's place in the heap: its index plus one, so that the zero value is "not in it".
type entry struct {
	place int
	at    clock.Instant
}

// A scheduler looks at each of its tasks when it is due: one goroutine and one timer for all of them.
// The goroutine runs while there are tasks, and a little longer.
type scheduler struct {
	clock clock.Clock
	wake  chan struct{}

	mu      sync.Mutex
	tasks   taskHeap
	running bool
	closed  bool
	asleep  clock.Instant // when the goroutine will look by itself
	done    sync.WaitGroup
}

func newScheduler(clk clock.Clock) *scheduler {
	return &scheduler{clock: clk, wake: make(chan struct{}, 1)}
}

// add takes a task in, and reports false if the scheduler is closed.
func (s *scheduler) add(t task) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	t.entry().at = t.due()
	heap.Push(&s.tasks, t)
	if !s.running {
		s.running = true
		s.done.Go(s.run)
	}
	s.rouse(t.entry().at)
	return true
}

// update notes that a task's due time has changed. Tasks that were removed are ignored.
func (s *scheduler) update(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := t.entry()
	if e.place == 0 {
		return
	}
	e.at = t.due()
	heap.Fix(&s.tasks, e.place-1)
	s.rouse(e.at)
}

// remove forgets a task. The goroutine may be looking at it at this moment.
func (s *scheduler) remove(t task) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := t.entry(); e.place > 0 {
		heap.Remove(&s.tasks, e.place-1)
	}
}

// size is the number of tasks.
func (s *scheduler) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tasks)
}

// close stops the goroutine, joins it, and returns the tasks that were left.
func (s *scheduler) close() []task {
	s.mu.Lock()
	s.closed = true
	left := s.tasks
	for _, t := range left {
		t.entry().place = 0
	}
	s.tasks = nil
	s.rouse(clock.Never)
	s.mu.Unlock()
	s.done.Wait()
	return left
}

// rouse wakes the goroutine if it would look too late for at. The caller holds mu.
func (s *scheduler) rouse(at clock.Instant) {
	if !at.Before(s.asleep) {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *scheduler) run() {
	timer := s.clock.NewTimer(lookEvery)
	defer timer.Stop()
	idle := false
	for {
		for _, t := range s.takeDue() {
			if t.look(s.clock.Now()) {
				s.update(t)
			} else {
				s.remove(t)
			}
		}
		wait, ok := s.sleep(&idle)
		if !ok {
			return
		}
		timer.Reset(wait)
		select {
		case <-timer.C():
		case <-s.wake:
		}
	}
}

// takeDue returns the tasks that are due. They stay in the heap, behind the others until they have
// been looked at.
func (s *scheduler) takeDue() []task {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	var due []task
	for len(s.tasks) > 0 && !now.Before(s.tasks[0].entry().at) {
		t := s.tasks[0]
		t.entry().at = clock.Forever
		heap.Fix(&s.tasks, 0)
		due = append(due, t)
	}
	return due
}

// sleep says how long the goroutine may sleep, and false if it has to end: the scheduler is closed, or
// has had no task since the last look.
func (s *scheduler) sleep(idle *bool) (time.Duration, bool) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	empty := len(s.tasks) == 0
	if s.closed || empty && *idle {
		s.running = false
		return 0, false
	}
	*idle = empty
	wait := lookEvery
	if !empty {
		wait = min(wait, max(s.tasks[0].entry().at.Sub(now), 0))
	}
	s.asleep = now.Add(wait)
	return wait, true
}

// taskHeap orders tasks by the time they are due, for container/heap.
type taskHeap []task

func (h taskHeap) Len() int           { return len(h) }
func (h taskHeap) Less(i, j int) bool { return h[i].entry().at < h[j].entry().at }
func (h taskHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].entry().place = i + 1
	h[j].entry().place = j + 1
}

// Push appends a task.
func (h *taskHeap) Push(x any) {
	t := x.(task) //nolint:forcetypeassert // container/heap passes what add gave it
	*h = append(*h, t)
	t.entry().place = len(*h)
}

// Pop removes the last task.
func (h *taskHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.entry().place = 0
	return t
}
