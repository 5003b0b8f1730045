package redisnode

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"
)

// A trouble is what is known about an error.
type trouble struct {
	code      string // the server's word
	permanent bool   // somebody has to act
	advice    string // what to do, where it is not obvious
}

// rights is what a server's user must be allowed.
const rights = "+eval +evalsha +time +get +set +pttl +pexpire +del on the lock keys"

// numberRights is what the user must be allowed besides for what asks for a number.
const numberRights = "+hmget +hset +get +set on redlock:* (~redlock:*), or ask for no number (WithoutToken)"

// A rule recognises a trouble: by its code, or, where the server has no code of its own for it, by
// words in its text.
type rule struct {
	words string
	trouble
}

// rules are tried from the top: those with words come first.
var rules = []rule{
	{"The user executing the script can't", trouble{"NOPERM", true, "grant the user " + rights}},
	{"ACL failure in script", trouble{"NOPERM", true, "grant the user " + rights}},
	{"is not a whole number below 2^53", trouble{"ERR", true, "somebody has written to what the error names: delete it"}},
	{"would reach 2^53", trouble{"ERR", true, "somebody has raised the counter that the error names: use another lock name"}},
	{"unknown command", trouble{"ERR", true, "a Redis server of version 5 or later with scripting is needed"}},
	{"Unknown Redis command called from", trouble{"ERR", true, "the scripts need TIME, GET, SET, PTTL, PEXPIRE and DEL, and for numbers HMGET and HSET"}},
	{"DB index is out of range", trouble{"ERR", true, "raise the server's setting databases, or use another database"}},
	{"SELECT is not allowed in cluster mode", trouble{"ERR", true, "use database 0, and a server that is no part of a cluster"}},
	{"without any password configured", trouble{"ERR", true, "the server has no password: set one there, or leave it out here"}},
	{"but no password is set", trouble{"ERR", true, "the server has no password: set one there, or leave it out here"}},
	{"invalid password", trouble{"ERR", true, "check user name and password"}},
	{"invalid username-password pair", trouble{"WRONGPASS", true, "check user name and password"}},
	{"max number of clients reached", trouble{"ERR", false, "raise the server's setting maxclients"}},

	{"", trouble{"NOAUTH", true, "the server wants a password"}},
	{"", trouble{"WRONGPASS", true, "check user name and password"}},
	{"", trouble{"NOPERM", true, "grant the user " + rights}},
	{"", trouble{"DENIED", true, "the server is in protected mode"}},
	{"", trouble{"NOPROTO", true, "use protocol 2"}},
	{"", trouble{"WRONGTYPE", true, "the key holds something that is no lock"}},
	{"", trouble{"MOVED", true, "the server is part of a cluster: use one that is not"}},
	{"", trouble{"ASK", true, "the server is part of a cluster: use one that is not"}},
	{"", trouble{"CROSSSLOT", true, "the server is part of a cluster: use one that is not"}},
	{"", trouble{"CLUSTERDOWN", false, "the server is part of a cluster: use one that is not"}},
	{"", trouble{"READONLY", false, "the server is a replica, for now or by mistake"}},
	{"", trouble{"OOM", false, "raise the server's maxmemory"}},
	{"", trouble{"MISCONF", false, "the server cannot save to disk: see its log"}},
	{"", trouble{"BUSY", false, "a script blocks the server: end it with SCRIPT KILL"}},
}

// classify says what is known about err. What it does not know is taken to mend itself.
func classify(err error) trouble {
	if !fromServer(err) {
		return trouble{permanent: certificate(err), advice: tlsAdvice(err)}
	}
	text := err.Error()
	code := serverCode(text)
	for _, r := range rules {
		if r.words != "" && strings.Contains(text, r.words) || r.words == "" && r.code == code {
			return r.trouble
		}
	}
	return trouble{code: code}
}

// fromServer reports whether err is a server's reply, not a failure to get one.
func fromServer(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}

var (
	// codeFirst is where servers put an error's code.
	codeFirst = regexp.MustCompile(`^-?([A-Z]{2,})\b`)
	// codeInScript is where servers before version 7 have it if the error came up in a script:
	// behind the place in the script, with or without a dash.
	codeInScript = regexp.MustCompile(`^ERR Error (?:running|compiling) script.*@user_script: ?\d+: -?([A-Z]{2,})\b`)
)

// serverCode returns the word in capitals that names the error, or "".
func serverCode(text string) string {
	for _, where := range []*regexp.Regexp{codeInScript, codeFirst} {
		if found := where.FindStringSubmatch(text); found != nil {
			return found[1]
		}
	}
	return ""
}

// certificate reports whether err is TLS's way to say that one side does not accept the other, which
// stays so until somebody changes a certificate or a setting.
func certificate(err error) bool {
	var (
		verification *tls.CertificateVerificationError
		authority    x509.UnknownAuthorityError
		host         x509.HostnameError
		invalid      x509.CertificateInvalidError
		noTLS        tls.RecordHeaderError
		alert        tls.AlertError
	)
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &host) ||
		errors.As(err, &invalid) || errors.As(err, &noTLS) || errors.As(err, &alert) && uint8(alert) != internalAlert
}

// internalAlert is what a server in trouble of its own says.
const internalAlert uint8 = 80

func tlsAdvice(err error) string {
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &noTLS):
		return "the server does not speak TLS there: use redis:// or its TLS port"
	case certificate(err):
		return "check the certificates, their authority and the server name on both sides"
	}
	return ""
}

// withoutEcho cuts the arguments off the reply to an unknown command: those of AUTH and HELLO are a
// password.
func withoutEcho(err error) error {
	if !fromServer(err) {
		return err
	}
	text, _, echoed := strings.Cut(err.Error(), ", with args beginning with")
	if !echoed {
		return err
	}
	return serverError(text)
}

// A serverError is a server's reply in words of ours.
type serverError string

func (e serverError) Error() string { return string(e) }

// RedisError marks it as a reply, as the client library does.
func (e serverError) RedisError() {}
