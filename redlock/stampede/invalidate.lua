-- invalidate.lua: forget a value, and void the claim, so that no load that is under way can bring
-- it back.
--
-- KEYS[1]  value                     ARGV[1]  channel
-- KEYS[2]  claim                     ARGV[2]  message
-- KEYS[3]  the last load's error
--
-- Returns the number of keys that there were.
--
-- Retry-safe: a repeat finds less to forget.
local gone = redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return gone
