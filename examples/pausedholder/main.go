// Pausedholder tells the story that no lock can prevent, on a database: a holder of a lock stands still for
// longer than its lease, another one takes over, and the first one wakes and writes. It is told three times:
// without a guard, with one that is asked at writes, and with one that is asked at reads and writes.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	_ "modernc.org/sqlite" // the driver

	"github.com/quorumlock/quorumlock/redlock/fence"
)

func main() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(1) // a database in memory is that of its connection
	if err := errors.Join(tell(context.Background(), os.Stdout, db), db.Close()); err != nil {
		log.Fatal(err)
	}
}

// A bank has accounts, each with the newest token that was presented for it.
type bank struct {
	db    *sql.DB
	guard *fence.Column
}

// An access is how a holder reads and writes a balance under the token of its lease.
type access struct {
	title string
	read  func(ctx context.Context, token uint64) (int, error)
	write func(ctx context.Context, token uint64, balance int) error
}

func (b bank) plainRead(ctx context.Context, _ uint64) (balance int, err error) {
	err = b.db.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = 42").Scan(&balance)
	return balance, err
}

func (b bank) plainWrite(ctx context.Context, _ uint64, balance int) error {
	_, err := b.db.ExecContext(ctx, "UPDATE accounts SET balance = ? WHERE id = 42", balance)
	return err
}

// guardedRead presents the token first: from then on, no older holder can write what this one has not read.
func (b bank) guardedRead(ctx context.Context, token uint64) (int, error) {
	if err := b.guard.Register(ctx, b.db, 42, token); err != nil {
		return 0, err
	}
	return b.plainRead(ctx, token)
}

func (b bank) guardedWrite(ctx context.Context, token uint64, balance int) error {
	return b.guard.Update(ctx, b.db, 42, token, fence.Values{"balance": balance})
}

// tell tells the story of each access to w. Two holders add 10 and 5 to a balance of 100.
func tell(ctx context.Context, w io.Writer, db *sql.DB) error {
	guard, err := fence.NewColumn(fence.SQLite, "accounts", "id", "fence")
	if err != nil {
		return err
	}
	b := bank{db, guard}
	for _, a := range []access{
		{"no guard", b.plainRead, b.plainWrite},
		{"guarded writes", b.plainRead, b.guardedWrite},
		{"guarded reads and writes", b.guardedRead, b.guardedWrite},
	} {
		_, err := db.ExecContext(ctx, `DROP TABLE IF EXISTS accounts;
			CREATE TABLE accounts (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL, fence INTEGER NOT NULL DEFAULT 0);
			INSERT INTO accounts (id, balance) VALUES (42, 100)`)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s:\n", a.title); err != nil {
			return err
		}
		if err := overlap(ctx, w, a); err != nil {
			return err
		}
		balance, err := b.plainRead(ctx, 0)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "  the balance is %d\n", balance); err != nil {
			return err
		}
	}
	return nil
}

// overlap is what happens in the order of time. The tokens are those of the two leases: lease.Token().
func overlap(ctx context.Context, w io.Writer, a access) error {
	const paused, next = 33, 34

	seenByPaused, err := a.read(ctx, paused)
	if err != nil {
		return err
	}
	// Here the first holder stands still. Its lease ends, the lock is free, the next holder takes it.
	seenByNext, err := a.read(ctx, next)
	if err != nil {
		return err
	}
	// Now the first one wakes.
	refused := a.write(ctx, paused, seenByPaused+10)
	if refused != nil && !errors.Is(refused, fence.ErrStale) {
		return refused
	}
	if err := a.write(ctx, next, seenByNext+5); err != nil {
		return err
	}
	// A holder that is refused stops: what it wanted has to be done again, under a new lease.
	_, err = fmt.Fprintf(w, "  the paused holder's +10: %s, the next one's +5: taken\n", outcome(refused))
	return err
}

func outcome(refused error) string {
	if refused != nil {
		return "refused"
	}
	return "taken"
}
