package atomic

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
)

//go:embed reserve.lua
var reserveSource string

var reserveScript = newScript("reserve", reserveSource, "an integer in (-2^53, 2^53)", "a list of order ids",
	"a hash of order ids to quantities in [1, 2^53)")

// ReservedSuffix makes, out of the key of a stock, the key of the hash by which a repeated order is known: the
// ids of the orders reserved from this stock, with their quantities. It has no TTL, and grows with every
// order. Delete it when the sale is over and no order will be repeated.
const ReservedSuffix = ":reserved"

// Codes of the reservation alone.
const (
	codeRepeated = 2
	codeMissing  = 3
)

// An Order is what [Recipes.Reserve] takes from a stock.
type Order struct {
	// Stock is the key of the stock, an integer that somebody has set. Beside it is a key that ends with
	// [ReservedSuffix].
	Stock string
	// Log is the key of the list of order ids, newest first. Several stocks may have one. Whoever handles
	// orders may take ids out of it.
	Log string
	// ID names the order. A repeat of the call has the same. An order can have parts from several stocks: each
	// stock has its own account of ids.
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
// other programs have only put on the log are not known.
func (r *Recipes) Reserve(ctx context.Context, order Order) (Reservation, error) {
	if err := order.validate(r.sharded); err != nil {
		return Reservation{}, err
	}
	read := func(answer reply) (Reservation, error) { return answer.reserved(order) }
	return run(ctx, r, reserveScript, read, order.keys(), order.ID, order.Quantity)
}

func (o Order) keys() []string { return []string{o.Stock, o.Log, o.Stock + ReservedSuffix} }

// validate returns every rule that the order breaks.
func (o Order) validate(sharded bool) error {
	faults := []error{
		keyFault("stock", o.Stock),
		keyFault("log", o.Log),
		o.logFault(),
		o.idFault(),
		countFault("quantity", o.Quantity),
	}
	if sharded && o.Stock != "" && o.Log != "" {
		faults = append(faults, slotFault(o.keys()...))
	}
	return configError(faults...)
}

// logFault tells a log that is none of the stock's own keys from one that is.
func (o Order) logFault() error {
	if o.Log != "" && (o.Log == o.Stock || o.Log == o.Stock+ReservedSuffix) {
		return fmt.Errorf("the log key %.64q is one of the stock's own keys", o.Log)
	}
	return nil
}

func (o Order) idFault() error {
	if o.ID == "" {
		return errors.New("the order id is empty")
	}
	return lengthFault("order id", o.ID, MaxIDBytes)
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
