package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/quorumlock/quorumlock/clock"
	"github.com/quorumlock/quorumlock/quorum"
	"github.com/quorumlock/quorumlock/quorum/redisnode"
	"github.com/quorumlock/quorumlock/redlock"
)

// A nodesFlag names the nodes.
type nodesFlag struct {
	Nodes []string `env:"REDLOCK_NODES" placeholder:"URL" help:"The nodes, separated by commas: redis://, rediss:// or unix:// URLs, or host:port. Put passwords into the variable, where the list of processes does not show them."`
}

// urls returns the URL of every node. No error tells a password.
func (f nodesFlag) urls() ([]string, error) {
	if len(f.Nodes) == 0 {
		return nil, usageError(errors.New("no nodes: name them with --nodes or REDLOCK_NODES"))
	}
	secret := slices.ContainsFunc(f.Nodes, func(spec string) bool { return strings.Contains(spec, "@") })
	urls := make([]string, len(f.Nodes))
	faults := make([]error, len(f.Nodes))
	for i, spec := range f.Nodes {
		var err error
		if urls[i], err = nodeURL(strings.TrimSpace(spec), secret); err != nil {
			faults[i] = fmt.Errorf("node %d of %d: %w", i+1, len(f.Nodes), err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	return urls, nil
}

// nodeURL returns the URL that spec is, or that a bare host:port stands for. With secret it does not repeat what it read: somewhere
// in the list is a password, and one that holds a comma has been cut into several nodes.
func nodeURL(spec string, secret bool) (string, error) {
	if strings.Contains(spec, "://") {
		return goodURL(spec)
	}
	_, port, err := net.SplitHostPort(spec)
	switch {
	case spec == "":
		return "", errors.New("is empty")
	case strings.Contains(spec, "@"):
		return "", errors.New("holds an @ but no redis://: user and password belong into a URL, a comma in them written %2C")
	case err == nil && port != "":
		return goodURL("redis://" + spec)
	case secret:
		return "", errors.New("is neither a URL nor host:port: a comma in a password is written %2C")
	}
	return "", fmt.Errorf("%q is neither a URL nor host:port", spec)
}

func goodURL(url string) (string, error) {
	_, err := redisnode.ParseURL(url)
	return url, err
}

// open makes the nodes, which whoever gets them closes.
func (f nodesFlag) open() ([]quorum.Node, error) {
	urls, err := f.urls()
	if err != nil {
		return nil, err
	}
	nodes := make([]quorum.Node, len(urls))
	for i, url := range urls {
		if nodes[i], err = openNode(url); err != nil {
			for _, node := range nodes[:i] {
				_ = node.Close() // it has done nothing
			}
			return nil, exitWith(exitUsage, fmt.Errorf("node %d of %d: %w", i+1, len(urls), err))
		}
	}
	return nodes, nil
}

func openNode(url string) (quorum.Node, error) {
	opts, err := redisnode.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return redisnode.New(opts, clock.System())
}

// onlooker returns a Locker that only asks the nodes, which it owns. They get a second, the most there is, to
// answer: nobody waits for more than that answer.
func onlooker(nodes []quorum.Node) (*redlock.Locker, error) {
	return redlock.NewWithNodes(nodes, redlock.WithEvenNodes(), redlock.WithTTL(20*time.Second))
}
