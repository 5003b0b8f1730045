package fence

import (
	"fmt"
	"strconv"
	"strings"
)

// A Dialect is how a database writes what differs between them here: placeholders, an insert that does
// not mind if the row is there, a read that locks.
type Dialect int

const (
	// PostgreSQL has placeholders like $1.
	PostgreSQL Dialect = iota + 1
	// MySQL, and MariaDB, have placeholders like ?.
	MySQL
	// SQLite has placeholders like ?; version 3.24 or newer.
	SQLite
	// Oracle has placeholders like :1.
	Oracle
	// SQLServer has placeholders like @p1.
	SQLServer
)

// String returns the database's name.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	case Oracle:
		return "Oracle"
	case SQLServer:
		return "SQL Server"
	}
	return "Dialect(" + strconv.Itoa(int(d)) + ")"
}

func (d Dialect) validate() error {
	if d < PostgreSQL || d > SQLServer {
		return fmt.Errorf("%v is none of the dialects of this package", d)
	}
	return nil
}

// Placeholder returns what stands for the n-th argument of a statement, counted from 1.
func (d Dialect) Placeholder(n int) string {
	switch d {
	case PostgreSQL:
		return "$" + strconv.Itoa(n)
	case Oracle:
		return ":" + strconv.Itoa(n)
	case SQLServer:
		return "@p" + strconv.Itoa(n)
	}
	return "?"
}

// fill replaces each ? of a statement by the placeholder of its argument.
func (d Dialect) fill(statement string) string {
	parts := strings.Split(statement, "?")
	var filled strings.Builder
	for i, part := range parts {
		if i > 0 {
			filled.WriteString(d.Placeholder(i))
		}
		filled.WriteString(part)
	}
	return filled.String()
}

// locking ends a SELECT that is to see the newest committed row, and keep it as it is, whatever the
// transaction's snapshot says.
func (d Dialect) locking() string {
	switch d {
	case PostgreSQL, MySQL, Oracle:
		return " FOR UPDATE"
	}
	return "" // SQLite locks as a whole; SQL Server reads committed rows
}

// resourceColumn is a reserved word in Oracle.
func (d Dialect) resourceColumn() string {
	if d == Oracle {
		return `"RESOURCE"`
	}
	return "resource"
}

// insert returns a statement that adds a row with token 0, for none, if the resource has no row, and how
// many arguments it has, each of them the resource.
func (d Dialect) insert(table string) (statement string, args int) {
	into := "INSERT INTO " + table + " (" + d.resourceColumn() + ", token) "
	const missing = "WHERE NOT EXISTS (SELECT 1 FROM "
	switch d {
	case MySQL:
		return into + "VALUES (?, 0) ON DUPLICATE KEY UPDATE resource = resource", 1
	case Oracle:
		return into + "SELECT ?, 0 FROM DUAL " + missing + table + ` WHERE "RESOURCE" = ?)`, 2
	case SQLServer:
		return into + "SELECT ?, 0 " + missing + table + " WITH (UPDLOCK, HOLDLOCK) WHERE resource = ?)", 2
	}
	return into + "VALUES (?, 0) ON CONFLICT (resource) DO NOTHING", 1
}

// create returns the definition of a table of tokens. Names of resources are compared byte by byte.
func (d Dialect) create(table string) string {
	kind, number, ifMissing := "VARCHAR", "BIGINT", "IF NOT EXISTS "
	switch d {
	case MySQL:
		kind = "VARBINARY"
	case SQLite:
		kind, number = "TEXT", "INTEGER"
	case Oracle:
		kind, number, ifMissing = "VARCHAR2", "NUMBER(16)", ""
	case SQLServer:
		ifMissing = ""
	}
	text := fmt.Sprintf("%s(%d)", kind, MaxResourceBytes)
	switch d {
	case SQLite:
		text = kind
	case SQLServer:
		text += " COLLATE Latin1_General_BIN2"
	}
	return fmt.Sprintf("CREATE TABLE %s%s (%s %s NOT NULL PRIMARY KEY, token %s NOT NULL)",
		ifMissing, table, d.resourceColumn(), text, number)
}
