package fence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// A Session is what statements run in: a *sql.Tx, where they take effect with its commit, or a *sql.DB
// or *sql.Conn, where each takes effect at once.
type Session interface {
	ExecContext(ctx context.Context, statement string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, statement string, args ...any) *sql.Row
}

// A cell is the place in a database where the newest token of one resource is.
type cell struct {
	dialect  Dialect
	resource string
	raise    string // UPDATE with the arguments token, key, token
	look     string // SELECT of the newest token, with the argument key
	key      any
}

// A finding is what became of the attempt to raise a cell.
type finding int

const (
	raised  finding = iota + 1
	missing         // there is no such row
	changed         // the row is another than it was: try again
)

// present raises the cell to token, or finds that it is newer (a *StaleError) or missing.
func (c cell) present(ctx context.Context, s Session, token uint64) (finding, error) {
	result, err := s.ExecContext(ctx, c.raise, int64(token), c.key, int64(token))
	if err != nil {
		return 0, c.fail("raising the token", err)
	}
	rows, err := result.RowsAffected()
	if err != nil {
		return 0, c.fail("counting the rows with the token", err)
	}
	if rows > 0 {
		return raised, nil
	}
	newest, found, err := c.newest(ctx, s)
	switch {
	case err != nil:
		return 0, err
	case !found:
		return missing, nil
	case newest == token && c.dialect == MySQL:
		return raised, nil // MySQL does not count a row that was set to what it was
	}
	return changed, Check(c.resource, token, newest)
}

// newest reads the cell.
func (c cell) newest(ctx context.Context, s Session) (token uint64, found bool, err error) {
	var value sql.NullInt64
	err = s.QueryRowContext(ctx, c.look, c.key).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, false, nil
	case err != nil:
		return 0, false, c.fail("reading the newest token", err)
	case !value.Valid || value.Int64 < 0:
		return 0, false, c.fail("reading the newest token",
			errors.New("it is NULL or negative: declare its column NOT NULL DEFAULT 0"))
	}
	return uint64(value.Int64), true, nil
}

func (c cell) fail(doing string, err error) error {
	return fmt.Errorf("fence: %q: %s: %w", c.resource, doing, err)
}
