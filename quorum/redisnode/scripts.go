package redisnode

import (
	"crypto/sha1"
	_ "embed" // the scripts
	"encoding/hex"

	"github.com/quorumlock/quorumlock/quorum"
)

// A script is one operation's Lua source and the name that the server's script cache has for it.
type script struct{ source, sha string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source))
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

var (
	//go:embed acquire.lua
	acquireSource string
	//go:embed extend.lua
	extendSource string
	//go:embed heal.lua
	healSource string
	//go:embed release.lua
	releaseSource string
	//go:embed inspect.lua
	inspectSource string
)

// scripts has one script for one key per operation. Batches send them one by one in a pipeline; a
// later version may use scripts that take several keys.
var scripts = map[quorum.Kind]script{
	quorum.Acquire: newScript(acquireSource),
	quorum.Extend:  newScript(extendSource),
	quorum.Heal:    newScript(healSource),
	quorum.Release: newScript(releaseSource),
	quorum.Inspect: newScript(inspectSource),
}
