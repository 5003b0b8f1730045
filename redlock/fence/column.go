package fence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Column guards the rows of a table of yours, each by a column of its own that keeps the row's newest
// token. Declare it BIGINT NOT NULL DEFAULT 0 (INTEGER in SQLite, NUMBER(16) in Oracle). The check costs
// nothing then: it is a condition of the UPDATE that is made anyway.
//
// For a read-modify-write call [Column.Register] before the read, and [Column.Update] for the write, in
// one transaction (Register first) or in two. Without a transaction, or in the one that reads, the
// registration counts once it is committed.
//
// Statements of your own do the same with [Column.Assign] and [Column.Admits] in them, and [Column.Judge]
// after them:
//
//	UPDATE accounts SET balance = balance - $1, fence = $2 WHERE id = $3 AND fence <= $4
//
// Methods may be called from several goroutines. MySQL counts only rows that change, unless the
// connection sets clientFoundRows=true: set it, or an Update that changes nothing is an error.
type Column struct {
	dialect Dialect
	table   string
	key     string
	column  string
}

// NewColumn returns a guard over the rows of a table, found by the column key (its primary key, or
// another that is unique), whose newest tokens are in column. It does no I/O. Its errors name all that
// is wrong with the arguments.
func NewColumn(dialect Dialect, table, key, column string) (*Column, error) {
	faults := errors.Join(dialect.validate(), validateTable(table), validateColumn("key", key), validateColumn("token", column))
	if err := constructorError("NewColumn", faults); err != nil {
		return nil, err
	}
	return &Column{dialect: dialect, table: table, key: key, column: column}, nil
}

// Values are columns and what an UPDATE sets them to.
type Values map[string]any

// Register presents a token for the row with that key, before the row is read. The error wraps
// sql.ErrNoRows if there is no such row.
func (c *Column) Register(ctx context.Context, s Session, key any, token uint64) error {
	if err := validateToken(token); err != nil {
		return err
	}
	at := c.cell(key)
	found, err := at.present(ctx, s, token)
	switch {
	case err != nil:
		return err
	case found != raised:
		return at.unclear(found)
	}
	return nil
}

// Update sets columns of the row with that key, and its token, if the token is admitted: one statement,
// so that nothing can come between. The error wraps sql.ErrNoRows if there is no such row.
func (c *Column) Update(ctx context.Context, s Session, key any, token uint64, values Values) error {
	if err := validateToken(token); err != nil {
		return err
	}
	statement, args, err := c.update(key, token, values)
	if err != nil {
		return err
	}
	result, err := s.ExecContext(ctx, statement, args...)
	if err != nil {
		return c.cell(key).fail("updating", err)
	}
	return c.Judge(ctx, s, key, token, result)
}

func (c *Column) update(key any, token uint64, values Values) (statement string, args []any, err error) {
	var (
		sets   []string
		faults []error
	)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		faults = append(faults, validateColumn("updated", name))
		if strings.EqualFold(name, c.column) {
			faults = append(faults, fmt.Errorf("column %q is the token's own", name))
		}
		args = append(args, values[name])
		sets = append(sets, name+" = "+c.dialect.Placeholder(len(args)))
	}
	if len(values) == 0 {
		faults = append(faults, errors.New("no values to set: use Register to present a token alone"))
	}
	n := len(args)
	statement = "UPDATE " + c.table + " SET " + strings.Join(append(sets, c.Assign(n+1)), ", ") +
		" WHERE " + c.key + " = " + c.dialect.Placeholder(n+2) + " AND " + c.Admits(n+3)
	return statement, append(args, int64(token), key, int64(token)), constructorError("Update", errors.Join(faults...))
}

// Assign returns the clause for SET that keeps the token, whose argument is the n-th of the statement:
// "fence = $2".
func (c *Column) Assign(n int) string { return c.column + " = " + c.dialect.Placeholder(n) }

// Admits returns the clause for WHERE that refuses an old token, whose argument is the n-th of the
// statement: "fence <= $4".
func (c *Column) Admits(n int) string { return c.column + " <= " + c.dialect.Placeholder(n) }

// Judge says what the result of a guarded UPDATE of one row means: nil if the row was written, a
// [*StaleError] if its token is newer, an error that wraps sql.ErrNoRows if there is no such row. Call it
// in the same transaction.
func (c *Column) Judge(ctx context.Context, s Session, key any, token uint64, result sql.Result) error {
	at := c.cell(key)
	rows, err := result.RowsAffected()
	if err != nil {
		return at.fail("counting the rows written", err)
	}
	if rows > 0 {
		return nil
	}
	newest, found, err := at.newest(ctx, s)
	switch {
	case err != nil:
		return err
	case !found:
		return at.unclear(missing)
	}
	if err := Check(at.resource, token, newest); err != nil {
		return err
	}
	return at.unclear(changed)
}

// On returns the column as a [Guard], whose resources are the keys of rows, as text. Without a
// transaction, each registration is in effect at once.
func (c *Column) On(s Session) Guard { return columnGuard{c, s} }

type columnGuard struct {
	column  *Column
	session Session
}

func (g columnGuard) Register(ctx context.Context, resource string, token uint64) error {
	if err := validate(resource, token); err != nil {
		return err
	}
	return g.column.Register(ctx, g.session, resource, token)
}

func (c *Column) cell(key any) cell {
	where := " WHERE " + c.key + " = ?"
	return cell{
		dialect:  c.dialect,
		resource: fmt.Sprint(key),
		key:      key,
		raise:    c.dialect.fill("UPDATE " + c.table + " SET " + c.column + " = ?" + where + " AND " + c.column + " <= ?"),
		look:     c.dialect.fill("SELECT " + c.column + " FROM " + c.table + where + c.dialect.locking()),
	}
}

// unclear is the error of an UPDATE that met no row for another reason than a newer token.
func (c cell) unclear(found finding) error {
	if found == missing {
		return c.fail("looking for its row", sql.ErrNoRows)
	}
	return c.fail("updating", errors.New("no row changed, although the token is admitted: the row is new, or changed meanwhile, "+
		"so try again; MySQL needs clientFoundRows=true to count a row that was set to what it was"))
}
