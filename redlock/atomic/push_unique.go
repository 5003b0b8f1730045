package atomic

import (
	"context"
	_ "embed" // the script
)

//go:embed push_unique.lua
var pushUniqueSource string

var pushUniqueScript = newScript("push unique", pushUniqueSource, "a list")

// PushUnique appends element to the list at key unless the list has it, and reports whether it did. Elements
// are compared byte for byte, and one may be empty.
//
// The server looks through the whole list, and everybody waits meanwhile, milliseconds at 100,000 short elements:
// this is for lists of thousands, not of millions. A repeat after an [ErrUnknown] appends nothing twice, but returns false also if the lost call was
// the one that appended. An element that somebody has taken out of the list can be appended again.
func (r *Recipes) PushUnique(ctx context.Context, key, element string) (bool, error) {
	if err := configError(keyFault("list", key), lengthFault("element", element, MaxElementBytes)); err != nil {
		return false, err
	}
	return run(ctx, r, pushUniqueScript, reply.pushed, []string{key}, element)
}

func (r reply) pushed() (bool, error) {
	switch {
	case r.is(codeYes, 0):
		return true, nil
	case r.is(codeNo, 0):
		return false, nil
	}
	return false, r.unexpected()
}
