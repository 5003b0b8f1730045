-- store.lua: store what was loaded, if the claim still is the loader's, and tell who waits.
--
-- KEYS[1]  value                     ARGV[1]  claim id
-- KEYS[2]  claim                     ARGV[2]  the framed value
-- KEYS[3]  the last load's error     ARGV[3]  TTL of the value in milliseconds, 0 to keep nothing
--                                    ARGV[4]  channel
--                                    ARGV[5]  message
--
-- Returns 1  stored, or only announced if the TTL is 0
--         0  refused: the claim ran out, was voided, or belongs to a later load
--
-- Retry-safe: a value with the mark of this one is this one, so a repeat answers 1. A publish that
-- the server's rights forbid does not undo the store: those who wait look for themselves.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  if ARGV[3] ~= '0' and redis.call('GETRANGE', KEYS[1], 2, 9) == string.sub(ARGV[2], 3, 10) then
    return 1
  end
  return 0
end
if ARGV[3] ~= '0' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
redis.call('DEL', KEYS[2], KEYS[3])
redis.pcall('PUBLISH', ARGV[4], ARGV[5])
return 1
