package chaos

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// parse reads a history that is written for people: a line for each event, such as
//
//	20ms c1/3 acquired token=1 left=1s votes=3
//
// with the time, who (a client and its lease, a client, a node, or "-"), the kind, and what there is
// to say. The lock is called "job" unless name= says otherwise.
func parse(t *testing.T, story string) History {
	t.Helper()
	var h History
	for text := range strings.Lines(story) {
		if strings.TrimSpace(text) == "" {
			continue
		}
		e, err := parseStory(strings.Fields(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		h = append(h, e)
	}
	return h
}

func parseStory(words []string) (Event, error) {
	if len(words) < 3 {
		return Event{}, fmt.Errorf("want a time, who, and a kind")
	}
	at, err := time.ParseDuration(words[0])
	if err != nil {
		return Event{}, err
	}
	e := Event{At: at, Kind: Kind(words[2])}
	client, lease, ofLease := strings.Cut(words[1], "/")
	switch {
	case ofLease:
		e.Client, e.Name = client, "job"
		if e.Lease, err = strconv.Atoi(lease); err != nil {
			return Event{}, err
		}
	case strings.HasPrefix(client, "n"):
		e.Node, e.Name = client, "job"
	case client != "-":
		e.Client = client
	}
	for _, word := range words[3:] {
		if err := e.set(word); err != nil {
			return Event{}, err
		}
	}
	return e, nil
}

func (e *Event) set(word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "held":
		e.Held = true
	case "renewed":
		e.Renewed = true
	case "deadline":
		e.Deadline, err = time.ParseDuration(value)
	case "left":
		e.Remaining, err = time.ParseDuration(value)
	case "token":
		e.Token, err = strconv.ParseUint(value, 10, 64)
	case "votes":
		e.Votes, err = strconv.Atoi(value)
	case "name":
		e.Name = value
	case "fault":
		e.Fault = FaultKind(value)
	case "op":
		e.Op = value
	case "value":
		e.Value = value
	case "before":
		e.Before = value
	case "next":
		e.Next = value
	case "data":
		e.Data = value
	default:
		err = fmt.Errorf("%q says nothing", word)
	}
	return err
}
