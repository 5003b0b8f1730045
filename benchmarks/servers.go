package benchmarks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/quorumlock/quorumlock/quorum/quorumtest/redisserver"
)

// A ServerUsage is what all servers together have used up. Of the fields a kind of server does not tell, the
// zero value stays.
type ServerUsage struct {
	CPU      time.Duration    // user and system
	Commands int64            // those that scripts run included
	Reads    int64            // requests taken off the network; one may hold many commands
	ByName   map[string]int64 // calls by command
	Scripts  time.Duration    // in scripts, with the commands that they run
}

// Sub returns what was used since an earlier look, without the looks.
func (u ServerUsage) Sub(earlier ServerUsage) ServerUsage {
	// Of two looks, the first one is seen by the second.
	looks := u.ByName[look] - earlier.ByName[look]
	d := ServerUsage{
		CPU:      u.CPU - earlier.CPU,
		Commands: u.Commands - earlier.Commands - looks,
		Reads:    u.Reads - earlier.Reads - looks,
		Scripts:  u.Scripts - earlier.Scripts,
		ByName:   make(map[string]int64),
	}
	for name, calls := range u.ByName {
		if n := calls - earlier.ByName[name]; n > 0 && name != look {
			d.ByName[name] = n
		}
	}
	return d
}

// look is the command by which the harness itself looks. Nothing that is measured uses it.
const look = "info"

func (u *ServerUsage) add(o ServerUsage) {
	u.CPU += o.CPU
	u.Commands += o.Commands
	u.Reads += o.Reads
	u.Scripts += o.Scripts
	if u.ByName == nil {
		u.ByName = make(map[string]int64)
	}
	for name, calls := range o.ByName {
		u.ByName[name] += calls
	}
}

// scriptCommands are those that run scripts.
var scriptCommands = []string{"evalsha", "eval", "fcall"}

// scripts counts script calls.
func (u ServerUsage) scripts() (calls int64) {
	for _, name := range scriptCommands {
		calls += u.ByName[name]
	}
	return calls
}

// A Fleet is Redis servers of our own, on 127.0.0.1.
type Fleet struct {
	servers []*redisserver.Server
	clients []*redis.Client
}

// StartFleet starts n servers.
func StartFleet(ctx context.Context, n int) (*Fleet, error) {
	servers, err := redisserver.StartFleet(ctx, n)
	if err != nil {
		return nil, err
	}
	f := &Fleet{servers: servers}
	for _, s := range servers {
		// One connection each, opened now, so that looking later costs one command.
		client := redis.NewClient(&redis.Options{Addr: s.Addr(), PoolSize: 1, DisableIdentity: true})
		f.clients = append(f.clients, client)
		if err := client.Info(ctx, "server").Err(); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// Addrs are the servers' addresses.
func (f *Fleet) Addrs() []string {
	addrs := make([]string, len(f.servers))
	for i, s := range f.servers {
		addrs[i] = s.Addr()
	}
	return addrs
}

// Server is the i-th server, for those who make it sick.
func (f *Fleet) Server(i int) *redisserver.Server { return f.servers[i] }

// Usage asks every server.
func (f *Fleet) Usage(ctx context.Context) (ServerUsage, error) {
	var sum ServerUsage
	for _, client := range f.clients {
		info, err := client.Info(ctx, "cpu", "stats", "commandstats").Result()
		if err != nil {
			return ServerUsage{}, fmt.Errorf("asking a server what it used: %w", err)
		}
		one, err := parseInfo(info)
		if err != nil {
			return ServerUsage{}, err
		}
		sum.add(one)
	}
	return sum, nil
}

// Keys is the number of keys, server by server, and empty if there are no servers.
func (f *Fleet) Keys(ctx context.Context) ([]int64, error) {
	if f == nil {
		return nil, nil
	}
	keys := make([]int64, len(f.clients))
	for i, client := range f.clients {
		var err error
		if keys[i], err = client.DBSize(ctx).Result(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// Close ends the servers and removes what they wrote.
func (f *Fleet) Close() error {
	if f == nil {
		return nil
	}
	var errs []error
	for _, client := range f.clients {
		errs = append(errs, client.Close())
	}
	for _, s := range f.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// parseInfo reads the answer of INFO.
func parseInfo(info string) (ServerUsage, error) {
	fields := make(map[string]string)
	lines := bufio.NewScanner(strings.NewReader(info))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			fields[name] = value
		}
	}
	u := ServerUsage{ByName: make(map[string]int64)}
	var errs []error
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, err := strconv.ParseFloat(fields[name], 64)
		errs = append(errs, err)
		u.CPU += time.Duration(seconds * float64(time.Second))
	}
	for name, to := range map[string]*int64{"total_commands_processed": &u.Commands, "total_reads_processed": &u.Reads} {
		n, err := strconv.ParseInt(fields[name], 10, 64)
		errs = append(errs, err)
		*to = n
	}
	for name, value := range fields {
		command, ok := strings.CutPrefix(name, "cmdstat_")
		if !ok {
			continue
		}
		calls, usec, err := parseCommand(value)
		errs = append(errs, err)
		u.ByName[command] = calls
		if slices.Contains(scriptCommands, command) {
			u.Scripts += time.Duration(usec) * time.Microsecond
		}
	}
	if err := errors.Join(errs...); err != nil {
		return ServerUsage{}, fmt.Errorf("benchmarks: INFO is not as expected: %w", err)
	}
	return u, nil
}

// parseCommand reads the figures of one command: "calls=3,usec=120,...".
func parseCommand(figures string) (calls, usec int64, err error) {
	for figure := range strings.SplitSeq(figures, ",") {
		name, value, _ := strings.Cut(figure, "=")
		if to := map[string]*int64{"calls": &calls, "usec": &usec}[name]; to != nil {
			n, parseErr := strconv.ParseInt(value, 10, 64)
			*to, err = n, errors.Join(err, parseErr)
		}
	}
	return calls, usec, err
}

// nowhere are nodes that are no servers.
type nowhere struct{ addrs []string }

func (n nowhere) Addrs() []string                          { return n.addrs }
func (nowhere) Usage(context.Context) (ServerUsage, error) { return ServerUsage{}, nil }
func (nowhere) Close() error                               { return nil }
