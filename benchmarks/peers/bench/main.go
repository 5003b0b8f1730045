// Command bench measures this project's lock and others in one run, and writes the figures as JSON, as text for
// benchstat and as a page with plots.
//
//	go run ./bench -plan full -out ../results
//	go run ./bench -page ../results/results.json -out ../results   # only lay the page out anew
package main

import (
	"context"
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
	for _, role := range []func() (bool, error){
		peers.EtcdMember,
		func() (bool, error) { return benchmarks.Worker(peers.Subjects()) },
	} {
		if played, err := role(); played {
			exit(err)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
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
	if err != nil {
		return err
	}
	return results.Write(*out)
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
