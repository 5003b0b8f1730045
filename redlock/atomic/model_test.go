package atomic_test

import (
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/quorumlock/quorumlock/redlock/atomic"
)

// A value is what a key of the model holds. Its kind is empty if the key does not exist.
type value struct {
	kind string
	text string
	list []string
	hash map[string]string
}

// A model is the server as one would write it without a thought for speed, atomicity or bytes. It does not
// know time: windows last until the test ends them.
type model map[string]value

var canonical = regexp.MustCompile(`^(0|-?[1-9]\d*)$`)

// integer reads text as Redis does, if it is in [least, most].
func integer(text string, least, most int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && canonical.MatchString(text) && n >= least && n <= most
}

// number returns the integer at key, or why there is none. What does not exist is 0.
func (m model) number(key string, least, most int64) (int64, error) {
	v := m[key]
	switch v.kind {
	case "":
		return 0, nil
	case "string":
		n, ok := integer(v.text, least, most)
		if !ok {
			return 0, &atomic.CorruptError{Key: key, Value: v.text[:min(64, len(v.text))]}
		}
		return n, nil
	}
	return 0, &atomic.CorruptError{Key: key, Type: v.kind}
}

func (m model) setNumber(key string, n int64) {
	m[key] = value{kind: "string", text: strconv.FormatInt(n, 10)}
}

func (m model) check(key, kind string) error {
	if v := m[key]; v.kind != "" && v.kind != kind {
		return &atomic.CorruptError{Key: key, Type: v.kind}
	}
	return nil
}

func (m model) increment(key string, maximum int64) (int64, error) {
	n, err := m.number(key, -atomic.MaxInteger, atomic.MaxInteger)
	if err != nil {
		return 0, err
	}
	if n >= maximum {
		return 0, &atomic.LimitError{Key: key, Limit: maximum, Count: n}
	}
	m.setNumber(key, n+1)
	return n + 1, nil
}

func (m model) push(key, element string) (bool, error) {
	if err := m.check(key, "list"); err != nil {
		return false, err
	}
	list := m[key].list
	if slices.Contains(list, element) {
		return false, nil
	}
	m[key] = value{kind: "list", list: append(slices.Clone(list), element)}
	return true, nil
}

func (m model) hit(key string, limit int64) (atomic.Window, error) {
	n, err := m.number(key, 0, atomic.MaxInteger-1)
	if err != nil {
		return atomic.Window{}, err
	}
	m.setNumber(key, n+1)
	if n+1 > limit {
		return atomic.Window{}, &atomic.LimitError{Key: key, Limit: limit, Count: n + 1}
	}
	return atomic.Window{Count: n + 1, Remaining: limit - n - 1}, nil
}

func (m model) reserve(o atomic.Order) (atomic.Reservation, error) {
	none, reserved := atomic.Reservation{}, o.Stock+atomic.ReservedSuffix
	for _, key := range []struct{ name, kind string }{{o.Stock, "string"}, {o.Log, "list"}, {reserved, "hash"}} {
		if err := m.check(key.name, key.kind); err != nil {
			return none, err
		}
	}
	stock, err := m.number(o.Stock, -atomic.MaxInteger, atomic.MaxInteger)
	if err != nil {
		return none, err
	}
	if text, known := m[reserved].hash[o.ID]; known {
		before, ok := integer(text, 1, atomic.MaxInteger)
		switch {
		case !ok:
			return none, &atomic.CorruptError{Key: reserved, Value: text[:min(64, len(text))]}
		case before != o.Quantity:
			return none, &atomic.ConflictError{ID: o.ID, Reserved: before, Quantity: o.Quantity}
		}
		return atomic.Reservation{Left: stock, Already: true}, nil
	}
	if stock < o.Quantity {
		return none, &atomic.ShortError{Stock: o.Stock, Quantity: o.Quantity, Left: stock, Missing: m[o.Stock].kind == ""}
	}
	m.setNumber(o.Stock, stock-o.Quantity)
	m[o.Log] = value{kind: "list", list: append([]string{o.ID}, m[o.Log].list...)}
	m.setField(reserved, o.ID, strconv.FormatInt(o.Quantity, 10))
	return atomic.Reservation{Left: stock - o.Quantity}, nil
}

func (m model) setField(key, field, text string) {
	hash := map[string]string{field: text}
	for f, v := range m[key].hash {
		if f != field {
			hash[f] = v
		}
	}
	m[key] = value{kind: "hash", hash: hash}
}

// A pair is the model and the server, to which the same is done.
type pair struct {
	ctx   context.Context
	model model
	r     *atomic.Recipes
	plain *redis.Client
}

// keys are few, so that recipes meet on them.
var keys = []string{"a", "b", "a" + atomic.ReservedSuffix, "b" + atomic.ReservedSuffix}

// What calls are made with: integers around every border, and texts that are nearly integers.
var (
	someKey     = rapid.SampledFrom(keys)
	someElement = rapid.SampledFrom([]string{"", "x", "y", "1", "\x00\xff"})
	someCount   = rapid.OneOf(rapid.Int64Range(1, 6), rapid.Int64Range(atomic.MaxInteger-3, atomic.MaxInteger))
	someText    = rapid.OneOf(
		rapid.Map(rapid.Int64Range(-3, 6), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.Map(rapid.Int64Range(atomic.MaxInteger-3, atomic.MaxInteger+3), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.Map(rapid.Int64Range(-atomic.MaxInteger-3, -atomic.MaxInteger+3), func(n int64) string { return strconv.FormatInt(n, 10) }),
		rapid.SampledFrom([]string{"", "-", "-0", "00", "+1", " 1", "1 ", "1.5", "1e3", "0x10", "nan", "inf", "1\x00", "9223372036854775807", "99999999999999999999"}),
		rapid.StringMatching(`-?[0-9]{1,80}`),
	)
)

// same demands that both results and both errors agree, but for what only the server knows.
func same(t *rapid.T, what string, got, want any, gotErr, wantErr error) {
	if bad, ok := errors.AsType[*atomic.CorruptError](gotErr); ok {
		bad.Want = ""
	}
	if full, ok := errors.AsType[*atomic.LimitError](gotErr); ok {
		full.RetryAfter = 0
	}
	text := func(err error) string {
		if err == nil {
			return "no error"
		}
		return err.Error()
	}
	if got != want || text(gotErr) != text(wantErr) {
		t.Fatalf("%s = %+v, %v; the model says %+v, %v", what, got, gotErr, want, wantErr)
	}
}

func (p *pair) increment(t *rapid.T) {
	key, maximum := someKey.Draw(t, "key"), someCount.Draw(t, "maximum")
	got, err := p.r.Increment(p.ctx, key, maximum)
	want, wantErr := p.model.increment(key, maximum)
	same(t, "Increment", got, want, err, wantErr)
}

func (p *pair) push(t *rapid.T) {
	key, element := someKey.Draw(t, "key"), someElement.Draw(t, "element")
	got, err := p.r.PushUnique(p.ctx, key, element)
	want, wantErr := p.model.push(key, element)
	same(t, "PushUnique", got, want, err, wantErr)
}

func (p *pair) hit(t *rapid.T) {
	key, limit := someKey.Draw(t, "key"), someCount.Draw(t, "limit")
	got, err := p.r.Hit(p.ctx, key, limit, time.Hour)
	if err == nil && (got.Reset <= 0 || got.Reset > time.Hour) {
		t.Fatalf("reset in %v, want up to an hour", got.Reset)
	}
	got.Reset = 0
	want, wantErr := p.model.hit(key, limit)
	same(t, "Hit", got, want, err, wantErr)
}

func (p *pair) reserve(t *rapid.T) {
	stocks := rapid.Permutation([]string{"a", "b"}).Draw(t, "stock and log")
	order := atomic.Order{
		Stock: stocks[0], Log: stocks[1],
		ID: rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "id"), Quantity: someCount.Draw(t, "quantity"),
	}
	got, err := p.r.Reserve(p.ctx, order)
	want, wantErr := p.model.reserve(order)
	same(t, "Reserve", got, want, err, wantErr)
}

// Whoever else uses the keys sets, deletes and expires them as they like.
func (p *pair) set(t *rapid.T) {
	key, text := someKey.Draw(t, "key"), someText.Draw(t, "text")
	p.model[key] = value{kind: "string", text: text}
	fine(t, p.plain.Set(p.ctx, key, text, 0).Err())
}

func (p *pair) setField(t *rapid.T) {
	key, id, text := someKey.Draw(t, "key"), rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "id"), someText.Draw(t, "text")
	if p.model.check(key, "hash") != nil {
		t.Skip("not a hash")
	}
	p.model.setField(key, id, text)
	fine(t, p.plain.HSet(p.ctx, key, id, text).Err())
}

func (p *pair) del(t *rapid.T) {
	key := someKey.Draw(t, "key")
	delete(p.model, key)
	fine(t, p.plain.Del(p.ctx, key).Err())
}

func fine(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// agree demands that the server has what the model has.
func (p *pair) agree(t *rapid.T) {
	for _, key := range keys {
		got := value{kind: p.plain.Type(p.ctx, key).Val()}
		switch got.kind {
		case "none":
			got.kind = ""
		case "string":
			got.text = p.plain.Get(p.ctx, key).Val()
		case "list":
			got.list = p.plain.LRange(p.ctx, key, 0, -1).Val()
		case "hash":
			got.hash = p.plain.HGetAll(p.ctx, key).Val()
		}
		want := p.model[key]
		if got.kind != want.kind || got.text != want.text || !slices.Equal(got.list, want.list) || !maps.Equal(got.hash, want.hash) {
			t.Fatalf("key %q holds %+v; the model says %+v", key, got, want)
		}
	}
}

// Any calls in any order, on keys that others write too, do what the model does.
func TestRecipesAgreeWithAModel(t *testing.T) {
	r, plain := onServer(t)
	rapid.Check(t, func(rt *rapid.T) {
		fine(rt, plain.FlushAll(t.Context()).Err())
		p := &pair{ctx: t.Context(), model: model{}, r: r, plain: plain}
		rt.Repeat(map[string]func(*rapid.T){
			"increment": p.increment,
			"push":      p.push,
			"hit":       p.hit,
			"reserve":   p.reserve,
			"set":       p.set,
			"set field": p.setField,
			"delete":    p.del,
			"":          p.agree,
		})
	})
}
