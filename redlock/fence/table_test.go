package fence_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/quorumlock/quorumlock/redlock/fence"
)

var writeGolden = flag.Bool("update", false, "write golden files anew instead of comparing with them")

var errDown = errors.New("the database is down")

func TestTableAsksTheDatabase(t *testing.T) {
	row := func(token int64) []any { return []any{token} }
	tests := map[string]struct {
		dialect fence.Dialect
		answers []any
		want    error // found by errors.Is; nil for success
		verbs   string
	}{
		"the row has an older token, or ours":  {fence.PostgreSQL, []any{int64(1)}, nil, "UPDATE"},
		"the row has a newer one":              {fence.PostgreSQL, []any{int64(0), row(35)}, fence.ErrStale, "UPDATE SELECT"},
		"there is no row yet":                  {fence.PostgreSQL, []any{int64(0), nil, int64(1), int64(1)}, nil, "UPDATE SELECT INSERT UPDATE"},
		"another adds it first, with an older": {fence.PostgreSQL, []any{int64(0), nil, int64(0), int64(1)}, nil, "UPDATE SELECT INSERT UPDATE"},
		"another adds it first, with a newer":  {fence.PostgreSQL, []any{int64(0), nil, int64(0), int64(0), row(35)}, fence.ErrStale, "UPDATE SELECT INSERT UPDATE SELECT"},
		"it appears between two looks":         {fence.PostgreSQL, []any{int64(0), row(34), int64(1)}, nil, "UPDATE SELECT UPDATE"},
		"the count of an insert says nothing":  {fence.MySQL, []any{int64(0), nil, int64(1), int64(0), row(35)}, fence.ErrStale, "UPDATE SELECT INSERT UPDATE SELECT"},
		"MySQL counts no row that is as it was": {
			fence.MySQL, []any{int64(0), row(34)}, nil, "UPDATE SELECT",
		},
		"the update fails":           {fence.SQLite, []any{errDown}, errDown, "UPDATE"},
		"the look fails":             {fence.SQLite, []any{int64(0), errDown}, errDown, "UPDATE SELECT"},
		"the insert fails":           {fence.SQLite, []any{int64(0), nil, errDown}, errDown, "UPDATE SELECT INSERT"},
		"the token there is NULL":    {fence.SQLite, []any{int64(0), []any{nil}}, errAny, "UPDATE SELECT"},
		"the token there is under 0": {fence.SQLite, []any{int64(0), row(-1)}, errAny, "UPDATE SELECT"},
		"it never settles": {
			fence.SQLite,
			[]any{int64(0), row(3), int64(0), row(3), int64(0), row(3), int64(0), row(3)},
			errAny,
			"UPDATE SELECT UPDATE SELECT UPDATE SELECT UPDATE SELECT",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stub := &sqlStub{answers: tc.answers}
			table, err := fence.NewTable(stub.open(t), tc.dialect, "fence")
			if err != nil {
				t.Fatal(err)
			}
			err = table.Register(t.Context(), "account 42", 34)
			if ok := errors.Is(err, tc.want) || tc.want == errAny && err != nil && !errors.Is(err, fence.ErrStale); !ok { //nolint:errorlint // a mark of this table
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if got := stub.verbs(); got != tc.verbs || len(stub.answers) > 0 {
				t.Errorf("asked %s, want %s", got, tc.verbs)
			}
		})
	}
}

// errAny stands for any error that is no refusal.
var errAny = errors.New("any error")

// verbs returns the first words of what was asked.
func (s *sqlStub) verbs() string {
	var verbs []string
	for _, a := range s.asked {
		verb, _, _ := strings.Cut(a.statement, " ")
		verbs = append(verbs, verb)
	}
	return strings.Join(verbs, " ")
}

func TestTransactionsEndAsTheyShould(t *testing.T) {
	tests := map[string]struct {
		answers []any
		do      error
		token   uint64
		want    error
		verbs   string
	}{
		"written":          {[]any{int64(1), nil}, nil, 34, nil, "UPDATE COMMIT"},
		"do fails":         {[]any{int64(1), nil}, errDown, 34, errDown, "UPDATE ROLLBACK"},
		"stale":            {[]any{int64(0), []any{int64(35)}, nil}, nil, 34, fence.ErrStale, "UPDATE SELECT ROLLBACK"},
		"the commit fails": {[]any{int64(1), errDown}, nil, 34, errDown, "UPDATE COMMIT"},
		"no token":         {nil, nil, 0, fence.ErrBadToken, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			stub := &sqlStub{answers: tc.answers}
			table, err := fence.NewTable(stub.open(t), fence.PostgreSQL, "fence")
			if err != nil {
				t.Fatal(err)
			}
			err = table.InTx(t.Context(), "account 42", tc.token, func(context.Context, *sql.Tx) error { return tc.do })
			if !errors.Is(err, tc.want) || stub.verbs() != tc.verbs {
				t.Errorf("error %v after %s, want %v after %s", err, stub.verbs(), tc.want, tc.verbs)
			}
		})
	}
}

// While do runs, the row stays locked, whatever becomes of the context.
func TestATransactionOutlivesItsContext(t *testing.T) {
	stub := &sqlStub{answers: []any{int64(1), nil}}
	table, err := fence.NewTable(stub.open(t), fence.PostgreSQL, "fence")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = table.InTx(ctx, "account 42", 34, func(context.Context, *sql.Tx) error { cancel(); return nil })
	if want := "UPDATE COMMIT"; err != nil || stub.verbs() != want {
		t.Errorf("error %v after %s, want nil after %s", err, stub.verbs(), want)
	}
}

func TestATransactionThatWasGivenUpDoesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stub := &sqlStub{answers: []any{func() any { cancel(); return int64(1) }, nil}}
	table, err := fence.NewTable(stub.open(t), fence.PostgreSQL, "fence")
	if err != nil {
		t.Fatal(err)
	}
	err = table.InTx(ctx, "account 42", 34, func(context.Context, *sql.Tx) error {
		t.Error("the wait was over, and something was done all the same")
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// The text of every statement, for every database: one that is not run by tests is at least read.
func TestStatements(t *testing.T) {
	var got strings.Builder
	for _, dialect := range []fence.Dialect{fence.PostgreSQL, fence.MySQL, fence.SQLite, fence.Oracle, fence.SQLServer} {
		stub := &sqlStub{answers: []any{int64(0), nil, int64(1), int64(1), int64(1), int64(1), int64(1)}}
		db := stub.open(t)
		table, err := fence.NewTable(db, dialect, "app.fence")
		if err != nil {
			t.Fatal(err)
		}
		column, err := fence.NewColumn(dialect, "accounts", "id", "fence")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(
			table.Register(t.Context(), "account 42", 34),
			table.Forget(t.Context(), "account 42"),
			column.Register(t.Context(), db, 42, 34),
			column.Update(t.Context(), db, 42, 34, fence.Values{"owner": "ann", "balance": 7}),
		); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&got, "-- %v\n%s\n", dialect, table.DDL())
		for _, a := range stub.asked {
			fmt.Fprintf(&got, "%s %v\n", a.statement, a.args)
		}
		fmt.Fprintf(&got, "%s, %s\n\n", column.Assign(2), column.Admits(4))
	}
	const file = "testdata/statements.golden"
	if *writeGolden {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("statements:\n%s\nwant, by %s (-update writes it anew):\n%s", got.String(), file, want)
	}
}

// Names go into statements as they are. Nothing passes that is more than a name.
func TestNamesAreNamesAlone(t *testing.T) {
	bad := []string{
		"", " ", "a b", "a;", "a--", "a'", `"a"`, "`a`", "[a]", "a)", "1a", "a.b.c", ".a", "a.", "a\n", "a\x00", "ä", "a*",
		"a=1", "fence SET x=1", strings.Repeat("a", 64),
	}
	good := []string{"a", "_a", "A1_b", strings.Repeat("a", 63)}
	db := (&sqlStub{}).open(t)
	try := func(table, key, column, updated string) []error {
		_, err := fence.NewTable(db, fence.SQLite, table)
		_, err2 := fence.NewColumn(fence.SQLite, table, "id", "fence")
		_, err3 := fence.NewColumn(fence.SQLite, "accounts", key, "fence")
		_, err4 := fence.NewColumn(fence.SQLite, "accounts", "id", column)
		return []error{err, err2, err3, err4, update(t, updated)}
	}
	for _, name := range bad {
		for i, err := range try(name, name, name, name) {
			if err == nil {
				t.Errorf("%q was taken for a name, at place %d", name, i)
			}
		}
	}
	for _, name := range good {
		if err := errors.Join(try(name, name, name, name)...); err != nil {
			t.Errorf("%q was not taken for a name: %v", name, err)
		}
	}
	if err := errors.Join(try("app.fence", "id", "fence", "x")...); err != nil {
		t.Errorf("a table with its schema: %v", err)
	}
	for i, err := range try("fence", "a.id", "a.fence", "a.x")[2:] {
		if err == nil {
			t.Errorf("a dot was taken in a column's name, at place %d", i)
		}
	}
	if err := update(t, "FENCE"); err == nil {
		t.Error("the token's own column was taken for a value")
	}
}

// update sets one column, on a database that takes anything.
func update(t *testing.T, name string) error {
	t.Helper()
	stub := &sqlStub{answers: []any{int64(1)}}
	column, err := fence.NewColumn(fence.SQLite, "accounts", "id", "fence")
	if err != nil {
		t.Fatal(err)
	}
	return column.Update(t.Context(), stub.open(t), 42, 34, fence.Values{name: 1})
}

func TestConstructorsNameAllFaults(t *testing.T) {
	_, table := fence.NewTable(nil, 0, "a b")
	_, column := fence.NewColumn(9, "a b", "c d", "e f")
	for _, tc := range []struct {
		err  error
		want []string
	}{
		{table, []string{"Dialect(0)", `"a b"`, "nil"}},
		{column, []string{"Dialect(9)", `"a b"`, `"c d"`, `"e f"`}},
	} {
		if tc.err == nil || slices.ContainsFunc(tc.want, func(part string) bool { return !strings.Contains(tc.err.Error(), part) }) {
			t.Errorf("error %v, want one with all of %q", tc.err, tc.want)
		}
	}
}

func TestColumnSaysWhyNoRowWasWritten(t *testing.T) {
	tests := map[string]struct {
		answers []any
		want    error
	}{
		"a newer token":              {[]any{int64(0), []any{int64(35)}}, fence.ErrStale},
		"no such row":                {[]any{int64(0), nil}, sql.ErrNoRows},
		"the database is down":       {[]any{errDown}, errDown},
		"nothing that keeps it away": {[]any{int64(0), []any{int64(34)}}, errAny},
	}
	for name, tc := range tests {
		for what, call := range map[string]func(c *fence.Column, db *sql.DB) error{
			"Register": func(c *fence.Column, db *sql.DB) error { return c.Register(t.Context(), db, 42, 34) },
			"Update": func(c *fence.Column, db *sql.DB) error {
				return c.Update(t.Context(), db, 42, 34, fence.Values{"x": 1})
			},
		} {
			t.Run(what+": "+name, func(t *testing.T) {
				stub := &sqlStub{answers: slices.Clone(tc.answers)}
				column, err := fence.NewColumn(fence.PostgreSQL, "accounts", "id", "fence")
				if err != nil {
					t.Fatal(err)
				}
				err = call(column, stub.open(t))
				if ok := errors.Is(err, tc.want) || tc.want == errAny && err != nil && !errors.Is(err, fence.ErrStale); !ok { //nolint:errorlint // a mark of this table
					t.Errorf("error %v, want %v", err, tc.want)
				}
			})
		}
	}
}
