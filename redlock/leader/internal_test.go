package leader

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const first, most = time.Second, 5 * time.Second
	type step struct {
		end    ending
		lasted time.Duration
		want   time.Duration // without the random part
	}
	tests := map[string][]step{
		"a lost lease needs no pause":        {{endLost, 0, 0}},
		"who yields lets others come first":  {{endYielded, 0, first}, {endYielded, 0, first}},
		"work that returns does not run hot": {{endReturned, 0, first}, {endReturned, 0, first}},
		"failures double the pause, up to most": {
			{endFailed, 0, first}, {endFailed, 0, 2 * first}, {endFailed, 0, 4 * first}, {endFailed, 0, most}, {endFailed, 0, most},
		},
		"a long term is no failure in a row": {{endFailed, 0, first}, {endFailed, most + 1, first}, {endFailed, most, 2 * first}},
		"any other end begins anew":          {{endFailed, 0, first}, {endFailed, 0, 2 * first}, {endLost, 0, 0}, {endFailed, 0, first}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			b := backoff{first: first, most: most}
			for i, s := range steps {
				twin := b
				if got := b.after(s.end, s.lasted, 0); got != s.want {
					t.Errorf("step %d: pause %v, want %v", i, got, s.want)
				}
				if got := twin.after(s.end, s.lasted, 0.5); got != s.want*3/4 {
					t.Errorf("step %d, half of the random part: pause %v, want %v", i, got, s.want*3/4)
				}
			}
		})
	}
}
