package atomic

import (
	"context"
	_ "embed" // the script
	"fmt"
)

//go:embed reserve.lua
var reserveSource string

var reserveScript = newScript("reserve", reserveSource, "an integer in (-2^53, 2^53)", "a list of order ids",
	"a hash of order ids to quantities in [1, 2^53)")

// IndexSuffix makes the key of the index out of that of the log; see [Order.Index].
const IndexSuffix = ":index"

// Codes of the reservation alone.
const (
	codeRepeated = 2
	codeMissing  = 3
)

// An Order is what [Recipes.Reserve] takes from a stock.
type Order struct {
	// Stock is the key of the stock, an integer that somebody has set.
	Stock string
	// Log is the key of the list of order ids, newest first. Whoever handles orders may take ids out of it.
	Log string
	// Index is the key of the hash by which a repeated order is known: its ids, with their quantities. It has
	// no TTL, and grows with every order; delete it when the sale is over. If empty, it is Log with
	// [IndexSuffix].
	Index string
	// ID names the order. A repeat of the call has the same.
	ID string
	// Quantity is what to take, in [1, 2^53).
	Quantity int64
}

// A Reservation is an order that was reserved.
type Reservation struct {
	// Left is what is in stock after the call.
	Left int64
	// Already means that the order was reserved by an earlier call, and that this one wrote nothing.
	Already bool
}

// Reserve takes the order's quantity from the stock and puts its id on the log, if there is enough in stock. If
// there is not, the error is a [*ShortError] and nothing was written.
//
// A call with the id of an order that was reserved changes nothing and says so: a repeat after an [ErrUnknown]
// is harmless, and tells what had happened. It is a [*ConflictError] if the quantity is not the same. Orders that
// other programs have put on the log, and not into the index, are not known.
func (r *Recipes) Reserve(ctx context.Context, order Order) (Reservation, error) {
	if order.Index == "" && order.Log != "" {
		order.Index = order.Log + IndexSuffix
	}
	if err := order.validate(r.sharded); err != nil {
		return Reservation{}, err
	}
	read := func(answer reply) (Reservation, error) { return answer.reserved(order) }
	return run(ctx, r, reserveScript, read, order.keys(), order.ID, order.Quantity)
}

func (o Order) keys() []string { return []string{o.Stock, o.Log, o.Index} }

// validate returns every rule that the order breaks.
func (o Order) validate(sharded bool) error {
	faults := []error{
		keyFault("stock", o.Stock),
		keyFault("log", o.Log),
		o.indexFault(),
		distinctFault("stock", o.Stock, "log", o.Log),
		distinctFault("stock", o.Stock, "index", o.Index),
		distinctFault("log", o.Log, "index", o.Index),
		o.idFault(),
		countFault("quantity", o.Quantity),
	}
	if sharded && o.Stock != "" && o.Log != "" {
		faults = append(faults, slotFault(o.keys()...))
	}
	return configError(faults...)
}

// indexFault leaves an index that is missing because the log is to the log's own fault.
func (o Order) indexFault() error {
	if o.Index == "" {
		return nil
	}
	return keyFault("index", o.Index)
}

func (o Order) idFault() error {
	if o.ID == "" {
		return fmt.Errorf("the order id is empty")
	}
	return lengthFault("order id", o.ID, MaxIDBytes)
}

func distinctFault(role, key, otherRole, other string) error {
	if key == other && key != "" {
		return fmt.Errorf("%s and %s are the same key, %.64q", role, otherRole, key)
	}
	return nil
}

func (r reply) reserved(o Order) (Reservation, error) {
	switch {
	case r.is(codeYes, 1) && r.numbers[0] >= 0:
		return Reservation{Left: r.numbers[0]}, nil
	case r.is(codeNo, 1) && r.numbers[0] < o.Quantity:
		return Reservation{}, &ShortError{Stock: o.Stock, Quantity: o.Quantity, Left: r.numbers[0]}
	case r.is(codeMissing, 0):
		return Reservation{}, &ShortError{Stock: o.Stock, Quantity: o.Quantity, Missing: true}
	case r.is(codeRepeated, 2) && r.numbers[1] != o.Quantity:
		return Reservation{}, &ConflictError{ID: o.ID, Reserved: r.numbers[1], Quantity: o.Quantity}
	case r.is(codeRepeated, 2):
		return Reservation{Left: r.numbers[0], Already: true}, nil
	}
	return Reservation{}, r.unexpected()
}
