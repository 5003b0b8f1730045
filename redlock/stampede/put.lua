-- put.lua: store a value whoever loads, and void the claim, so that no load that is under way can
-- overwrite it.
--
-- KEYS[1]  value                     ARGV[1]  the framed value
-- KEYS[2]  claim                     ARGV[2]  TTL of the value in milliseconds
-- KEYS[3]  the last load's error     ARGV[3]  channel
--                                    ARGV[4]  message
--
-- Returns 1.
--
-- Retry-safe: a repeat stores the same value once more.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[2], KEYS[3])
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
return 1
