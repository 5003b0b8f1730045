// Command mutants breaks the lock on purpose, one line at a time, and demands that a test notices.
//
// Each file called *.mutant holds some broken variants; see parse.go for their form. A variant is built
// with go test -overlay, so production code knows nothing of it. The last line printed is
//
//	mutants: K killed of M
//
// and the exit status is not 0 if one lives, does not build, or does not fit the code any more.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	pick := flag.String("run", "", "only mutants whose name matches this regular expression")
	dir := flag.String("dir", "chaos/mutants", "where the *.mutant files are")
	flag.Parse()
	ok, err := run(ctx, *dir, *pick)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if !ok {
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// run tries every mutant that pick matches, and reports whether all were killed.
func run(ctx context.Context, dir, pick string) (bool, error) {
	wanted, err := regexp.Compile(pick)
	if err != nil {
		return false, fmt.Errorf("-run %q: %w", pick, err)
	}
	mutants, err := readAll(dir)
	if err != nil {
		return false, err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MUTANT\tVERDICT\tBY\tSEEDS\tTOOK")
	tried, killed := 0, 0
	for _, m := range mutants {
		if !wanted.MatchString(m.name) {
			continue
		}
		start := time.Now()
		v := try(ctx, m)
		tried++
		if v.killed {
			killed++
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%.1fs\n", m.name, v.word(), v.by, v.seeds, time.Since(start).Seconds())
		_ = table.Flush() // as the run goes on
		if !v.killed {
			fmt.Fprintln(os.Stderr, v.detail)
		}
	}
	fmt.Printf("mutants: %d killed of %d\n", killed, tried)
	return killed == tried && tried > 0, ctx.Err()
}

// readAll reads every mutant in dir, in the order of the files and in them.
func readAll(dir string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.mutant"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no *.mutant file in %s", dir)
	}
	var all []mutant
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		mutants, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, mutants...)
	}
	return all, nil
}
