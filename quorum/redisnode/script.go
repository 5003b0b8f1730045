package redisnode

import (
	"crypto/sha1"
	_ "embed" // the script
	"encoding/hex"
)

// batchSource is the one script that there is: it carries out any operations on any keys.
//
//go:embed batch.lua
var batchSource string

// batchSHA is the name that the server's script cache has for it.
var batchSHA = func() string {
	sum := sha1.Sum([]byte(batchSource))
	return hex.EncodeToString(sum[:])
}()
