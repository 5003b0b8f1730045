package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/quorumlock/quorumlock/benchmarks"
)

// memberVariable makes a process an etcd member in the folder that it names.
const memberVariable = "QUORUMLOCK_BENCHMARK_ETCD"

// EtcdMember is an etcd member if this process was started as one, and reports whether it was. A process of its
// own keeps its CPU time apart from that of the clients. Programs that measure [Etcd] call it first.
func EtcdMember() (was bool, err error) {
	folder, was := os.LookupEnv(memberVariable)
	if !was {
		return false, nil
	}
	return true, serveEtcd(folder, os.Stdin, os.Stdout)
}

// serveEtcd serves until in ends, and writes its address to out.
func serveEtcd(folder string, in io.Reader, out io.Writer) error {
	anyPort := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg := embed.NewConfig()
	cfg.Dir, cfg.LogLevel, cfg.LogOutputs = folder, "fatal", []string{"stderr"} // its end would look like errors
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = anyPort, anyPort
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = anyPort, anyPort
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	member, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer member.Close()
	select {
	case <-member.Server.ReadyNotify():
	case err := <-member.Err():
		return err
	}
	if _, err := fmt.Fprintln(out, member.Clients[0].Addr()); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// etcdServers is one member in a process of ours.
type etcdServers struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	folder string
	addr   string
}

// endLimit is how long a member may take to end by itself.
const endLimit = 5 * time.Second

func startEtcd(ctx context.Context) (benchmarks.Servers, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "etcd-")
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(os.Environ(), memberVariable+"="+folder, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = endLimit
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	s := &etcdServers{cmd: cmd, stdin: stdin, folder: folder}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the etcd member did not come up: %w", err), s.Close())
	}
	s.addr = strings.TrimSpace(line)
	return s, nil
}

func (s *etcdServers) Addrs() []string { return []string{s.addr} }

// Usage is the CPU time of the process, where the system tells it. Commands are not counted.
func (s *etcdServers) Usage(context.Context) (benchmarks.ServerUsage, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/stat")
	if err != nil {
		return benchmarks.ServerUsage{}, nil //nolint:nilerr // no such system: then it is not known
	}
	ticks, err := cpuTicks(string(stat))
	return benchmarks.ServerUsage{CPU: time.Duration(ticks) * (time.Second / ticksPerSecond)}, err
}

// ticksPerSecond is USER_HZ, which is the same on all Linux systems.
const ticksPerSecond = 100

// cpuTicks reads user and system time from /proc/PID/stat: the 14th and 15th field, of which the second may hold
// blanks, in brackets.
func cpuTicks(stat string) (int64, error) {
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("peers: /proc/PID/stat is %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return user + system, err
}

// Close ends the member, and removes what it wrote.
func (s *etcdServers) Close() error {
	_ = s.stdin.Close() // which it takes as its end
	timer := time.AfterFunc(endLimit, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	return errors.Join(s.cmd.Wait(), os.RemoveAll(s.folder))
}
