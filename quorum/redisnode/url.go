package redisnode

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	errScheme = errors.New("redisnode: URL does not start with redis://, rediss:// or unix://")
	errSyntax = errors.New("redisnode: not a valid URL: write special characters of user name and password as %XX")
	errAt     = errors.New("redisnode: URL holds an @ behind its host: write special characters of user name and password as %XX")
	errOption = errors.New("redisnode: URL has an unknown or malformed option or database")
)

// ParseURL reads a server's URL in the syntax of [redis.ParseURL]:
//
//	redis://user:password@host:port/db?option=value     rediss:// for TLS
//	unix://user:password@/path/to.sock?db=n
//
// Its errors name the rule that is broken and never hold the password. An @ may stand in front of the
// host only, since anywhere else it shows a password that was not escaped and was cut in two.
func ParseURL(rawURL string) (*redis.Options, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok || !slices.Contains([]string{"redis", "rediss", "unix"}, strings.ToLower(scheme)) {
		return nil, errScheme
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 && strings.Contains(rest[i:], "@") {
		return nil, errAt
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errSyntax // err quotes the URL
	}
	opts, err := redis.ParseURL(rawURL)
	if err != nil {
		return nil, withoutPassword(err, u)
	}
	return opts, nil
}

// withoutPassword returns err, or less if it repeats u's password in one of the ways that URLs and
// errors write it.
func withoutPassword(err error, u *url.URL) error {
	password, _ := u.User.Password()
	if password == "" {
		return fmt.Errorf("redisnode: URL: %w", err)
	}
	for _, written := range []string{
		password, url.QueryEscape(password), url.PathEscape(password),
		strings.Trim(strconv.Quote(password), `"`),
	} {
		if strings.Contains(err.Error(), written) {
			return errOption
		}
	}
	return fmt.Errorf("redisnode: URL: %w", err)
}
