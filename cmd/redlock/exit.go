package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/quorumlock/quorumlock/redlock"
)

// Exit codes. 75 is "try again later" wherever codes have names.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitNotAcquired  = 75
	exitLost         = 76
	exitNoExecutable = 126
	exitNoCommand    = 127
	exitSignal       = 128 // plus the signal's number
)

// An exitError ends the program with a code of its own. Without an error it is silent.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith makes the error that ends the program with code, and says err if there is one.
func exitWith(code int, err error) error {
	if code == 0 && err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// usageError is an error in the arguments, which may be quoted in it.
func usageError(err error) error {
	return exitWith(exitUsage, fmt.Errorf("%s; see --help", redactWords(err.Error())))
}

// exitCode is what the program returns for err.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	if own, ok := errors.AsType[*exitError](err); ok {
		return own.code
	}
	_, config := errors.AsType[*redlock.ConfigError](err)
	switch {
	case config:
		return exitUsage
	case errors.Is(err, redlock.ErrHeld), errors.Is(err, redlock.ErrNoQuorum):
		return exitNotAcquired
	case errors.Is(err, redlock.ErrLost):
		return exitLost
	}
	return exitFailed
}

// explain is what a person reads of err: one line, without secrets.
func explain(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(oneLine(redact(err.Error())), "redlock: ")
}

// oneLine joins the lines of errors that were joined.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

var (
	// userinfo is what stands before a host. It takes too much rather than too little: a password may
	// hold anything that its owner forgot to escape.
	userinfo = regexp.MustCompile(`://[^\n]*@`)
	// anyUserinfo is the same in a URL that lost its scheme.
	anyUserinfo = regexp.MustCompile(`[^\s"']*@`)
)

// redact hides the user and password of every URL in text.
func redact(text string) string { return userinfo.ReplaceAllString(text, "://***@") }

// redactWords also hides everything in front of an @, for text that may quote any argument.
func redactWords(text string) string {
	return anyUserinfo.ReplaceAllString(redact(text), "***@")
}
