package fence_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"testing"
)

// A sqlStub is a database that answers each statement with what comes next in its script, and keeps what
// it was asked. Real databases are in the module examples.
type sqlStub struct {
	mu sync.Mutex
	// For a statement: int64, the rows it changed. For a query: []any, its only row, or nil, no row. For
	// any of them: an error, or a func() any that makes the answer.
	answers []any
	asked   []asked
}

type asked struct {
	statement string
	args      []any
}

func (s *sqlStub) open(t *testing.T) *sql.DB {
	t.Helper()
	db := sql.OpenDB(s)
	t.Cleanup(func() { db.Close() })
	return db
}

func (s *sqlStub) next(statement string, args []driver.NamedValue) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := asked{statement: statement}
	for _, arg := range args {
		a.args = append(a.args, arg.Value)
	}
	s.asked = append(s.asked, a)
	if len(s.answers) == 0 {
		return errors.New("the stub has no answer left")
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if made, ok := answer.(func() any); ok {
		return made()
	}
	return answer
}

func (s *sqlStub) Connect(context.Context) (driver.Conn, error) { return stubConn{s}, nil }
func (s *sqlStub) Driver() driver.Driver                        { return nil }

type stubConn struct{ stub *sqlStub }

func (stubConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not needed") }
func (stubConn) Close() error                        { return nil }
func (c stubConn) Begin() (driver.Tx, error)         { return c, nil }
func (c stubConn) Rollback() error                   { c.stub.next("ROLLBACK", nil); return nil }

func (c stubConn) Commit() error {
	err, _ := c.stub.next("COMMIT", nil).(error)
	return err
}

func (c stubConn) ExecContext(_ context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	switch answer := c.stub.next(statement, args).(type) {
	case int64:
		return driver.RowsAffected(answer), nil
	case error:
		return nil, answer
	}
	return nil, errors.New("the stub's answer is not one to a statement")
}

func (c stubConn) QueryContext(_ context.Context, statement string, args []driver.NamedValue) (driver.Rows, error) {
	switch answer := c.stub.next(statement, args).(type) {
	case []any:
		return &stubRows{row: answer}, nil
	case nil:
		return &stubRows{}, nil
	case error:
		return nil, answer
	}
	return nil, errors.New("the stub's answer is not one to a query")
}

type stubRows struct{ row []any }

func (*stubRows) Columns() []string { return []string{"token"} }
func (*stubRows) Close() error      { return nil }

func (r *stubRows) Next(dest []driver.Value) error {
	if r.row == nil {
		return io.EOF
	}
	dest[0], r.row = r.row[0], nil
	return nil
}
