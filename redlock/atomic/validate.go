package atomic

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// MaxInteger is the largest integer that a Lua number holds exactly and unlike its neighbours: 2^53 - 1.
	MaxInteger int64 = 1<<53 - 1
	// MaxKeyBytes is the longest key allowed.
	MaxKeyBytes = 1024
	// MaxIDBytes is the longest order id allowed.
	MaxIDBytes = 512
	// MaxElementBytes is the longest element of a list allowed. The server compares elements while everybody
	// waits.
	MaxElementBytes = 1 << 20
)

// keyFault judges one key. role says what the key is for.
func keyFault(role, key string) error {
	if err := lengthFault(role+" key", key, MaxKeyBytes); err != nil {
		return err
	}
	if key == "" {
		return fmt.Errorf("the %s key is empty", role)
	}
	return nil
}

func lengthFault(role, value string, most int) error {
	if len(value) > most {
		return fmt.Errorf("the %s of %d bytes, %.32q..., is over %d bytes", role, len(value), value, most)
	}
	return nil
}

func countFault(role string, n int64) error {
	if n < 1 || n > MaxInteger {
		return fmt.Errorf("%s %d is not in [1, 2^53)", role, n)
	}
	return nil
}

// windowFault judges the length of a window, which Redis keeps as a TTL.
func windowFault(window time.Duration) error {
	switch {
	case window < time.Millisecond:
		return fmt.Errorf("window %v is under 1ms", window)
	case window%time.Millisecond != 0:
		return fmt.Errorf("window %v is not a whole number of milliseconds", window)
	}
	return nil
}

// slotFault judges whether a client that picks servers by hash tag finds all keys on one.
func slotFault(keys ...string) error {
	for _, key := range keys[1:] {
		if hashTag(key) != hashTag(keys[0]) {
			return fmt.Errorf("keys %.64q and %.64q have different hash tags: on a Cluster or a Ring "+
				"all keys of one call need the same hash tag, such as {shoe} in \"{shoe}:stock\"", keys[0], key)
		}
	}
	return nil
}

// hashTag returns what a Cluster looks at to place a key: what is between the first { and the next }, or the
// whole key if that is nothing.
func hashTag(key string) string {
	_, rest, opened := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !opened || !closed || tag == "" {
		return key
	}
	return tag
}

// configError makes joined faults a *ConfigError, and no faults nil.
func configError(faults ...error) error {
	if err := errors.Join(faults...); err != nil {
		return &ConfigError{Err: err}
	}
	return nil
}
