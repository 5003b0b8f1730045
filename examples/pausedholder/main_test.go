package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/quorumlock/quorumlock/quorum/quorumtest"
	"github.com/quorumlock/quorumlock/redlock/fence"
	"github.com/quorumlock/quorumlock/redlock/fence/fencetest"
)

// Whatever the tests of this package start, they end.
func TestMain(m *testing.M) { os.Exit(quorumtest.LeakFree(m)) }

// Without a guard on both sides, somebody was told that the write was taken, and it is gone.
func Example_main() {
	main()
	// Output:
	// no guard:
	//   the paused holder's +10: taken, the next one's +5: taken
	//   the balance is 105
	// guarded writes:
	//   the paused holder's +10: taken, the next one's +5: taken
	//   the balance is 105
	// guarded reads and writes:
	//   the paused holder's +10: refused, the next one's +5: taken
	//   the balance is 105
}

// open returns a database in a file, which several connections can share.
func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "test.db")+"?_pragma=busy_timeout(4000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func run(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query(t *testing.T, db fence.Session, statement string) (value int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), statement).Scan(&value); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return value
}

func newTable(t *testing.T, db *sql.DB) *fence.Table {
	t.Helper()
	table, err := fence.NewTable(db, fence.SQLite, "fence")
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, table.DDL())
	run(t, db, table.DDL()) // it may be there
	return table
}

func newColumn(t *testing.T, db *sql.DB) *fence.Column {
	t.Helper()
	column, err := fence.NewColumn(fence.SQLite, "accounts", "id", "fence")
	if err != nil {
		t.Fatal(err)
	}
	run(t, db, "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0)")
	return column
}

func TestTableConforms(t *testing.T) {
	fencetest.Conformance(t, func(t *testing.T) fencetest.Fixture {
		return fencetest.Fixture{Guard: newTable(t, open(t))}
	})
}

func TestColumnConforms(t *testing.T) {
	fencetest.Conformance(t, func(t *testing.T) fencetest.Fixture {
		db := open(t)
		column := newColumn(t, db)
		return fencetest.Fixture{
			Guard:   column.On(db),
			Prepare: func(resource string) { run(t, db, "INSERT INTO accounts (id) VALUES (?)", resource) },
		}
	})
}

var errRegret = errors.New("on second thoughts")

func TestTableRollsBackWhatFailed(t *testing.T) {
	db := open(t)
	table := newTable(t, db)
	run(t, db, "CREATE TABLE things (n INTEGER)")
	add := func(token uint64, end error) error {
		return table.InTx(t.Context(), "things", token, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO things VALUES (1)")
			return errors.Join(err, end)
		})
	}
	if err := add(34, nil); err != nil {
		t.Fatal(err)
	}
	if err := add(40, errRegret); !errors.Is(err, errRegret) {
		t.Errorf("error %v, want %v", err, errRegret)
	}
	if err := add(33, nil); !errors.Is(err, fence.ErrStale) {
		t.Errorf("an old token: %v, want ErrStale", err)
	}
	if err := add(35, nil); err != nil {
		t.Errorf("a token under one whose transaction was rolled back: %v", err)
	}
	if n := query(t, db, "SELECT COUNT(*) FROM things"); n != 2 {
		t.Errorf("%d things, want those of the two that were admitted", n)
	}
	if err := table.Forget(t.Context(), "things"); err != nil {
		t.Fatal(err)
	}
	if err := add(1, nil); err != nil {
		t.Errorf("the first token after Forget: %v", err)
	}
}

func TestColumnGuardsStatementsOfYourOwn(t *testing.T) {
	db := open(t)
	column := newColumn(t, db)
	run(t, db, "INSERT INTO accounts (id, balance) VALUES ('42', 100), ('43', 100)")
	withdraw := func(id string, token uint64) error {
		statement := "UPDATE accounts SET balance = balance - ?, " + column.Assign(2) + " WHERE id = ? AND " + column.Admits(4)
		result, err := db.ExecContext(t.Context(), statement, 10, int64(token), id, int64(token))
		if err != nil {
			t.Fatal(err)
		}
		return column.Judge(t.Context(), db, id, token, result)
	}
	for i, want := range []struct {
		token uint64
		err   error
	}{{34, nil}, {34, nil}, {33, fence.ErrStale}, {35, nil}} {
		if err := withdraw("42", want.token); !errors.Is(err, want.err) {
			t.Errorf("withdrawal %d: %v, want %v", i, err, want.err)
		}
	}
	if err := withdraw("44", 36); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no such account: %v, want sql.ErrNoRows", err)
	}
	if sum := query(t, db, "SELECT SUM(balance) FROM accounts"); sum != 170 {
		t.Errorf("the balances are %d, want 170", sum)
	}
}

// A write waits for the read of a newer holder that is still open, and is refused then.
func TestATransactionThatReadsKeepsOlderWritersAway(t *testing.T) {
	db := open(t)
	table := newTable(t, db)
	var older sync.WaitGroup
	err := table.InTx(t.Context(), "things", 34, func(context.Context, *sql.Tx) error {
		older.Go(func() {
			err := table.InTx(t.Context(), "things", 33, func(context.Context, *sql.Tx) error { return nil })
			if !errors.Is(err, fence.ErrStale) {
				t.Errorf("the older writer: %v, want ErrStale", err)
			}
		})
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	older.Wait()
}

// An adder adds one to account 42 under a token.
type adder func(ctx context.Context, token uint64) error

// Holders take turns that overlap: each reads, adds one and writes, in one transaction or two, while older
// and newer ones do the same. What was taken is there, and what is there was taken.
func TestNoUpdateIsLost(t *testing.T) {
	tests := map[string]struct {
		adder func(t *testing.T, db *sql.DB) adder
	}{
		"table, one transaction":  {tableInOne},
		"table, two transactions": {tableInTwo},
		"column, one transaction": {columnInOne},
		"column, no transaction":  {columnInNone},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			db := open(t)
			add := tc.adder(t, db)
			taken := compete(t, add)
			got := query(t, db, "SELECT balance FROM accounts WHERE id = '42'")
			if got != taken || taken == 0 {
				t.Errorf("the balance is %d, and %d additions were taken", got, taken)
			}
		})
	}
}

func compete(t *testing.T, add adder) (taken int) {
	const holders, rounds = 4, 15
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for h := range uint64(holders) {
		all.Go(func() {
			for round := range uint64(rounds) {
				err := add(t.Context(), 1+round*holders+h)
				if err != nil && !errors.Is(err, fence.ErrStale) {
					t.Errorf("holder %d: %v", h, err)
				}
				if err == nil {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return taken
}

func prepare(t *testing.T, db *sql.DB) (*fence.Column, *fence.Table) {
	t.Helper()
	column, table := newColumn(t, db), newTable(t, db)
	run(t, db, "INSERT INTO accounts (id) VALUES ('42')")
	return column, table
}

func balance(ctx context.Context, s fence.Session) (n int, err error) {
	err = s.QueryRowContext(ctx, "SELECT balance FROM accounts WHERE id = '42'").Scan(&n)
	return n, err
}

func setBalance(ctx context.Context, s fence.Session, n int) error {
	_, err := s.ExecContext(ctx, "UPDATE accounts SET balance = ? WHERE id = '42'", n)
	return err
}

func tableInOne(t *testing.T, db *sql.DB) adder {
	_, table := prepare(t, db)
	return func(ctx context.Context, token uint64) error {
		return table.InTx(ctx, "account 42", token, func(ctx context.Context, tx *sql.Tx) error {
			n, err := balance(ctx, tx)
			if err != nil {
				return err
			}
			return setBalance(ctx, tx, n+1)
		})
	}
}

func tableInTwo(t *testing.T, db *sql.DB) adder {
	_, table := prepare(t, db)
	return func(ctx context.Context, token uint64) error {
		var n int
		err := table.InTx(ctx, "account 42", token, func(ctx context.Context, tx *sql.Tx) (err error) {
			n, err = balance(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		return table.InTx(ctx, "account 42", token, func(ctx context.Context, tx *sql.Tx) error {
			return setBalance(ctx, tx, n+1)
		})
	}
}

func columnInOne(t *testing.T, db *sql.DB) adder {
	column, _ := prepare(t, db)
	add := func(ctx context.Context, tx *sql.Tx, token uint64) error {
		if err := column.Register(ctx, tx, "42", token); err != nil {
			return err
		}
		n, err := balance(ctx, tx)
		if err != nil {
			return err
		}
		return column.Update(ctx, tx, "42", token, fence.Values{"balance": n + 1})
	}
	return func(ctx context.Context, token uint64) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := add(ctx, tx, token); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
}

func columnInNone(t *testing.T, db *sql.DB) adder {
	column, _ := prepare(t, db)
	return func(ctx context.Context, token uint64) error {
		if err := column.Register(ctx, db, "42", token); err != nil {
			return err
		}
		n, err := balance(ctx, db)
		if err != nil {
			return err
		}
		return column.Update(ctx, db, "42", token, fence.Values{"balance": n + 1})
	}
}

func TestNoUpdateOutsideOfTheDatabaseIsLost(t *testing.T) {
	table := newTable(t, open(t))
	number := 0 // the race detector would see two at it
	taken := compete(t, func(ctx context.Context, token uint64) error {
		var seen int
		err := table.Write(ctx, "number", token, func(context.Context) error { seen = number; return nil })
		if err != nil {
			return err
		}
		return table.Write(ctx, "number", token, func(context.Context) error { number = seen + 1; return nil })
	})
	if number != taken || taken == 0 {
		t.Errorf("the number is %d, and %d additions were taken", number, taken)
	}
}

// What could be an attack in a value is a value.
func TestValuesAreValues(t *testing.T) {
	db := open(t)
	table, column := newTable(t, db), newColumn(t, db)
	const evil = "'; DROP TABLE accounts; --"
	run(t, db, "INSERT INTO accounts (id) VALUES (?)", evil)
	if err := errors.Join(
		table.Register(t.Context(), evil, 34),
		column.Register(t.Context(), db, evil, 34),
		column.Update(t.Context(), db, evil, 34, fence.Values{"balance": 7}),
	); err != nil {
		t.Error(err)
	}
	if got := query(t, db, "SELECT balance FROM accounts"); got != 7 {
		t.Errorf("the balance is %d, want 7", got)
	}
	if err := column.Update(t.Context(), db, evil, 33, fence.Values{"balance": 8}); !strings.Contains(fmt.Sprint(err), evil) {
		t.Errorf("the refusal does not name the row: %v", err)
	}
}
