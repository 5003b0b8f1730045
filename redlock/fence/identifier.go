package fence

import (
	"fmt"
	"regexp"
	"strings"
)

// Names go into statements as they are, since no database takes them as arguments. So only those pass
// that need no quotes in any of them.
var (
	columnPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)
	tablePattern  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$`)
)

func validateColumn(role, name string) error {
	if !columnPattern.MatchString(name) {
		return fmt.Errorf("%s column %.80q: a name is a letter or _, then up to 62 letters, digits or _", role, name)
	}
	return nil
}

func validateTable(name string) error {
	if !tablePattern.MatchString(name) {
		return fmt.Errorf("table %.160q: a name is a letter or _, then up to 62 letters, digits or _; "+
			"a schema's name and a dot may come before it", name)
	}
	return nil
}

// constructorError says on one line which rules the arguments of a constructor break.
func constructorError(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("fence: %s: %s", what, strings.ReplaceAll(err.Error(), "\n", "; "))
}
