package redisserver

import "strconv"

// An Option changes how a server is started.
type Option interface{ apply(*settings) }

type settings struct {
	persistent bool
	extra      []string
}

type optionFunc func(*settings)

func (f optionFunc) apply(s *settings) { f(s) }

// WithConfig adds directives to the command line, such as "--maxmemory", "1mb". They win over the
// defaults, but for port, folder and log level, which the start depends on. Options add up.
func WithConfig(args ...string) Option {
	return optionFunc(func(s *settings) { s.extra = append(s.extra, args...) })
}

// WithPersistence makes the server write every change to disk before it answers (appendonly with
// appendfsync always), so that a killed one comes back with its memory. The default is to persist
// nothing: a killed server forgets everything.
func WithPersistence() Option {
	return optionFunc(func(s *settings) { s.persistent = true })
}

// arguments is the command line of a server. Redis takes the last of directives that repeat.
func arguments(port int, dir string, opts []Option) []string {
	var s settings
	for _, o := range opts {
		o.apply(&s)
	}
	args := []string{"--bind", host, "--save", "", "--appendonly", "no"}
	if s.persistent {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	}
	args = append(args, s.extra...)
	return append(args, "--daemonize", "no", "--port", strconv.Itoa(port), "--dir", dir,
		"--loglevel", "notice", "--logfile", "") // awaitReady reads the log from standard output
}
