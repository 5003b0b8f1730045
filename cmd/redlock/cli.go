package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9"
)

// A cli is the command line.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Show the lock at work: eight workers compete for it while nodes fail."`
	Run     runCmd     `cmd:"" help:"Run a command while holding a lock."`
	Status  statusCmd  `cmd:"" help:"Show who holds a lock, node by node."`
	Release releaseCmd `cmd:"" help:"Take a lock away from whoever holds it."`
	Bench   benchCmd   `cmd:"" help:"Measure the lock on nodes of yours."`
	Version versionCmd `cmd:"" help:"Show which build this is."`
}

// A jsonFlag is a part of every command.
type jsonFlag struct {
	JSON bool `name:"json" help:"Answer in JSON, as described above."`
}

// A world is what a command may touch.
type world struct {
	ctx    context.Context //nolint:containedctx // it is the life of the one command that is given the world
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	silenceClient()
	w := &world{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr}
	command, err := parse(args, w)
	if err == nil && command != nil {
		err = command.Run(w)
	}
	complain(stderr, err, forPrograms(args))
	return exitCode(err)
}

// forPrograms reports whether the arguments ask for JSON. It knows also if they cannot be parsed. What is
// behind -- is not for redlock.
func forPrograms(args []string) bool {
	asked := false
	for _, arg := range args {
		flag, value, assigned := strings.Cut(arg, "=")
		switch {
		case arg == "--":
			return asked
		case flag == "--json":
			wanted, err := strconv.ParseBool(value)
			asked = !assigned || wanted || err != nil
		}
	}
	return asked
}

// complain says what went wrong, if there is anything to say: in a line for people, or in a document.
func complain(out io.Writer, err error, inJSON bool) {
	text := explain(err)
	switch {
	case text == "":
	case inJSON:
		_ = writeLine(out, failure{Error: text, Exit: exitCode(err)}) // nobody is left to be told
	default:
		_, _ = fmt.Fprintf(out, "redlock: %s\n", text)
	}
}

// A failure is the document of an error.
type failure struct {
	Error string `json:"error"`
	Exit  int    `json:"exit"`
}

// parse returns the command to run, or nil if only help was wanted, which it has printed then.
func parse(args []string, w *world) (*kong.Context, error) {
	printed := false
	parser, err := kong.New(&cli{},
		kong.Name("redlock"),
		kong.Description("A lock over independent Redis servers: a majority of them decides."),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(int) { printed = true }), // it goes on parsing then
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(args)
	if printed {
		return nil, nil
	}
	if err != nil {
		return nil, usageError(err)
	}
	return command, nil
}

// silenceClient keeps the Redis client library, whose logger is one for the whole program, from
// writing between the lines of a command.
var silenceClient = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}
