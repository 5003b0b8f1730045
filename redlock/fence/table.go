package fence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Table guards whatever a database's transactions are about, by a table of its own with one row for
// each resource: (resource, token). [Table.DDL] defines it. Use it if the data is many rows, or not
// yours to add a column to; else a [Column] is cheaper.
//
// Methods may be called from several goroutines. It closes nothing.
//
//   - A read-modify-write in one transaction is [Table.InTx].
//   - In two, with time between them: RegisterIn in the transaction that reads (its commit is what
//     counts; what a transaction read that did not commit must not lead to a write), InTx around the
//     write.
//
// RegisterIn has to come first in its transaction. It locks the row until the transaction ends, so what
// is read after it is the newest; what was read before it may be old. Who presents tokens for several
// resources in one transaction does so in one order everywhere, or the database may see a deadlock.
//
// Any isolation level from read committed up will do. Under higher ones a database may refuse one of two
// transactions that meet, and MySQL may do so when two add the row of one resource, unless Register has
// added it before. That error is passed on, and the transaction is to be tried again, with the same token.
// SQLite: set a busy_timeout; a driver may wait that long whatever ctx says. SQL Server compares names
// without regard to spaces at their ends, so that two which differ in these share their newest token.
//
// The tests of this project run SQLite. For the other databases they pin the text of the statements.
type Table struct {
	db         *sql.DB
	dialect    Dialect
	name       string
	raise      string
	look       string
	insert     string
	insertArgs int
	forget     string
}

// NewTable returns a guard in the table of that name, which may have a schema before it. It does no I/O
// and does not create the table. Its errors name all that is wrong with the arguments.
func NewTable(db *sql.DB, dialect Dialect, name string) (*Table, error) {
	faults := []error{dialect.validate(), validateTable(name)}
	if db == nil {
		faults = append(faults, errors.New("the database is nil"))
	}
	if err := constructorError("NewTable", errors.Join(faults...)); err != nil {
		return nil, err
	}
	where := " WHERE " + dialect.resourceColumn() + " = ?"
	insert, insertArgs := dialect.insert(name)
	return &Table{
		db: db, dialect: dialect, name: name,
		raise:      dialect.fill("UPDATE " + name + " SET token = ?" + where + " AND token <= ?"),
		look:       dialect.fill("SELECT token FROM " + name + where + dialect.locking()),
		insert:     dialect.fill(insert),
		insertArgs: insertArgs,
		forget:     dialect.fill("DELETE FROM " + name + where),
	}, nil
}

// DDL returns the statement that creates the table, if it is missing where the database can say that.
func (t *Table) DDL() string { return t.dialect.create(t.name) }

// Register is [Guard]'s, in effect at once: for a read outside of a transaction, or outside of the
// database.
func (t *Table) Register(ctx context.Context, resource string, token uint64) error {
	return t.RegisterIn(ctx, t.db, resource, token)
}

// RegisterIn presents a token inside your transaction, before its reads and writes. On an error roll
// back; on a [*StaleError] also stop, the lock has passed to somebody else.
func (t *Table) RegisterIn(ctx context.Context, s Session, resource string, token uint64) error {
	if err := validate(resource, token); err != nil {
		return err
	}
	c := cell{dialect: t.dialect, resource: resource, raise: t.raise, look: t.look, key: resource}
	const tries = 4 // a row can appear once and change a few times while we look
	for range tries {
		found, err := c.present(ctx, s, token)
		if err != nil || found == raised {
			return err
		}
		if found == missing {
			if err := t.add(ctx, s, c); err != nil {
				return err
			}
		}
	}
	return c.fail("raising the token", fmt.Errorf("the row changed %d times meanwhile; try the transaction again", tries))
}

// add makes the row of a resource that has none, or finds that somebody else was faster. It says nothing
// about any token.
func (t *Table) add(ctx context.Context, s Session, c cell) error {
	args := make([]any, t.insertArgs)
	for i := range args {
		args[i] = c.key
	}
	if _, err := s.ExecContext(ctx, t.insert, args...); err != nil {
		return c.fail("adding the row", err)
	}
	return nil
}

// InTx presents a token in a transaction and calls do in the same one. It commits if do returned nil;
// else it rolls back, the token with the rest. No newer token is admitted until then.
//
// ctx bounds the wait for a newer or an older transaction on the same resource, and is what do gets.
func (t *Table) InTx(ctx context.Context, resource string, token uint64, do func(ctx context.Context, tx *sql.Tx) error) error {
	if err := validate(resource, token); err != nil {
		return err
	}
	// A transaction ends with its context. This one's may end the wait for the row, but must not give
	// the row away while do still runs.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	detach := context.AfterFunc(ctx, end)
	tx, err := t.db.BeginTx(life, nil)
	if err != nil {
		return errors.Join(fmt.Errorf("fence: %q: beginning a transaction: %w", resource, err), context.Cause(ctx))
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	if err := t.RegisterIn(ctx, tx, resource, token); err != nil {
		return err
	}
	if !detach() {
		return context.Cause(ctx)
	}
	if err := do(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("fence: %q: committing: %w", resource, err)
	}
	return nil
}

// Write is [WriteGuard]'s, for writes outside of the database: it registers the token for good, and then
// keeps the resource's row locked while write runs. If the connection to the database breaks meanwhile,
// so does the lock of the row, and the error says so afterwards. A write to the same database belongs
// into [Table.InTx]: on a connection of its own it may wait for this one for ever.
func (t *Table) Write(ctx context.Context, resource string, token uint64, write func(ctx context.Context) error) error {
	if err := t.Register(ctx, resource, token); err != nil {
		return err
	}
	return t.InTx(ctx, resource, token, func(ctx context.Context, _ *sql.Tx) error { return write(ctx) })
}

// Forget removes a resource's row, so that the next token is admitted whatever it is. Call it when the
// resource is gone for good, and no older holder of its lock can still come to it. The table has one row
// for each resource until then.
func (t *Table) Forget(ctx context.Context, resource string) error {
	if _, err := t.db.ExecContext(ctx, t.forget, resource); err != nil {
		return fmt.Errorf("fence: %q: forgetting the token: %w", resource, err)
	}
	return nil
}
