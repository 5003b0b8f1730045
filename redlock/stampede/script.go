package stampede

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed claim.lua
	claimSource string
	//go:embed renew.lua
	renewSource string
	//go:embed store.lua
	storeSource string
	//go:embed fail.lua
	failSource string
	//go:embed put.lua
	putSource string
	//go:embed invalidate.lua
	invalidateSource string
)

// Scripts run by EVALSHA, and by EVAL on a server that does not know them yet. Each says why it may be sent
// again, as the client library does when a reply is lost.
var (
	claimScript      = redis.NewScript(claimSource)
	renewScript      = redis.NewScript(renewSource)
	storeScript      = redis.NewScript(storeSource)
	failScript       = redis.NewScript(failSource)
	putScript        = redis.NewScript(putSource)
	invalidateScript = redis.NewScript(invalidateSource)
)
