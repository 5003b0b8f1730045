// Command bench measures this project's lock and others in one run, and writes the figures as JSON, as text for
// benchstat and as a page with plots.
//
//	go run ./bench -plan full -out ../results
//	go run ./bench -page ../results/results.json -out ../results   # only lay the page out anew
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/benchmarks"
	"github.com/quorumlock/quorumlock/benchmarks/peers"
)

func main() {
	redis.SetLogger(silence{}) // dead nodes are part of what is measured
	if played, code := play(); played {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := complain(run(ctx, os.Args[1:]))
	stop()
	os.Exit(code)
}

// play does the work of a process that the suite has started, and returns its exit code.
func play() (played bool, code int) {
	if was, err := peers.EtcdMember(); was {
		return true, complain(err)
	}
	worked, err := benchmarks.Worker(peers.Subjects())
	return worked, complain(err)
}

// complain says what went wrong, and returns the exit code.
func complain(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	return 1
}

// silence keeps the Redis client library, whose logger is one for the whole program, quiet.
type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// run measures, or reads what was measured, and writes it.
func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	plan := flags.String("plan", "full", "how much to measure: full, quick or tiny")
	out := flags.String("out", "results", "folder to write into")
	page := flags.String("page", "", "write what is in this JSON file, and measure nothing")
	only := flags.String("only", "", "measure only these, separated by commas: load, own, sick, hand-off, endure, held")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *page != "" {
		results, err := benchmarks.ReadResults(*page)
		if err != nil {
			return err
		}
		return results.Write(*out)
	}
	chosen, err := choose(*plan)
	if err != nil {
		return err
	}
	suite := benchmarks.Suite{Subjects: peers.Subjects(), Plan: chosen, Tell: teller(time.Now())}
	if *only != "" {
		suite.Only = strings.Split(*only, ",")
	}
	results, err := suite.Run(ctx)
	if results == nil {
		return err
	}
	return errors.Join(err, results.Write(*out)) // half an hour of work is not thrown away for one failure
}

func choose(name string) (benchmarks.Plan, error) {
	plans := []benchmarks.Plan{benchmarks.FullPlan(), benchmarks.QuickPlan(), benchmarks.TinyPlan()}
	i := slices.IndexFunc(plans, func(p benchmarks.Plan) bool { return p.Name == name })
	if i < 0 {
		return benchmarks.Plan{}, fmt.Errorf("no plan is called %q: there are full, quick and tiny", name)
	}
	return plans[i], nil
}

// teller writes progress to standard error.
func teller(start time.Time) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%7s  %s\n", time.Since(start).Round(time.Second), fmt.Sprintf(format, args...))
	}
}
