package fence_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

// A balance that is read, and written with what was computed from it.
type account struct{ balance int }

// The story of the paused holder. A has the lock and reads. Then A stands still, for longer than its lease.
// B takes the lock over, reads and writes. A wakes, knows of nothing, and writes.
//
// The tokens 33 and 34 stand for lease.Token() of A's and B's lease.
func Example() {
	const tokenOfA, tokenOfB = 33, 34

	// Without a guard, B's work is gone, and nobody is told.
	unfenced := account{balance: 100}
	readByA := unfenced.balance
	readByB := unfenced.balance
	unfenced.balance = readByB + 5
	unfenced.balance = readByA + 10
	fmt.Println("unfenced:", unfenced.balance)

	// With one, everybody presents a token: before a read, and with a write.
	var (
		ctx    = context.Background()
		guard  = fence.NewMemory()
		fenced = account{balance: 100}
	)
	read := func(token uint64) (int, error) {
		if err := guard.Register(ctx, "account 42", token); err != nil {
			return 0, err
		}
		return fenced.balance, nil
	}
	write := func(token uint64, balance int) error {
		return guard.Write(ctx, "account 42", token, func(context.Context) error {
			fenced.balance = balance
			return nil
		})
	}
	readByA, err := read(tokenOfA)
	if err != nil {
		log.Fatal(err)
	}
	readByB, err = read(tokenOfB)
	if err != nil {
		log.Fatal(err)
	}
	if err := write(tokenOfB, readByB+5); err != nil {
		log.Fatal(err)
	}
	err = write(tokenOfA, readByA+10)
	fmt.Println("A is stale:", errors.Is(err, fence.ErrStale))
	fmt.Println(err)
	fmt.Println("fenced:", fenced.balance)
	// Output:
	// unfenced: 110
	// A is stale: true
	// fence: stale token: "account 42" has seen token 34, newer than 33: the lock has passed to another holder
	// fenced: 105
}

// Guard a service of HTTP, each path on its own, and ask it.
func ExampleHandler() {
	store := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	byPath := func(r *http.Request) string { return r.URL.Path }
	server := httptest.NewServer(fence.Handler(fence.NewMemory(), byPath, store))
	defer server.Close()

	client := &http.Client{Transport: fence.Transport(nil)}
	defer client.CloseIdleConnections()
	for _, token := range []uint64{34, 33} { // of two leases
		ctx := fence.WithToken(context.Background(), token)
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, server.URL+"/accounts/42", http.NoBody)
		if err != nil {
			log.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			log.Fatal(err)
		}
		response.Body.Close()
		fmt.Println(response.Status)
		if stale, ok := errors.AsType[*fence.StaleError](fence.CheckResponse(response)); ok {
			fmt.Println("stop: the newest token is", stale.Newest)
		}
	}
	// Output:
	// 204 No Content
	// 412 Precondition Failed
	// stop: the newest token is 34
}

// Guard a key of Redis: read it, and write what was made of it. The script of one's own takes what is there.
func ExampleRedis() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}})
	defer client.Close()
	guard, err := fence.NewRedis(client)
	if err != nil {
		log.Fatal(err)
	}
	takeOne, err := fence.NewScript("if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end return redis.call('DECR', KEYS[1])")
	if err != nil {
		log.Fatal(err)
	}

	ctx := context.Background()
	const token = 34 // that of the lease
	stock, err := guard.Get(ctx, "stock", token)
	if err != nil && !errors.Is(err, redis.Nil) {
		log.Fatal(err)
	}
	left, err := guard.Run(ctx, takeOne, "stock", token, []string{"stock"}).Int()
	if errors.Is(err, fence.ErrStale) {
		return // somebody else has the lock now
	} else if err != nil {
		log.Fatal(err)
	}
	fmt.Println("there were", stock, "and now there are", left)
}

// Read and write a row in one transaction, which nobody with an older token can come between.
func ExampleTable_InTx() {
	addTen := func(ctx context.Context, db *sql.DB, token uint64) error {
		guard, err := fence.NewTable(db, fence.PostgreSQL, "fence")
		if err != nil {
			return err
		}
		return guard.InTx(ctx, "account 42", token, func(ctx context.Context, tx *sql.Tx) error {
			var balance int
			if err := tx.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 42").Scan(&balance); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, "UPDATE accounts SET balance = $1 WHERE id = 42", balance+10)
			return err
		})
	}
	_ = addTen
}

// Guard a row by a column of its own: the check is a condition of the UPDATE.
func ExampleColumn() {
	addTen := func(ctx context.Context, db *sql.DB, token uint64) error {
		guard, err := fence.NewColumn(fence.PostgreSQL, "accounts", "id", "fence")
		if err != nil {
			return err
		}
		if err := guard.Register(ctx, db, 42, token); err != nil {
			return err
		}
		var balance int
		if err := db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 42").Scan(&balance); err != nil {
			return err
		}
		return guard.Update(ctx, db, 42, token, fence.Values{"balance": balance + 10})
	}
	_ = addTen
}
