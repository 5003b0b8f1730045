-- acquire.lua: take the key if it is free, or make our own live longer.
--
-- KEYS[1]  lock key
-- ARGV[1]  our value, unique per attempt
-- ARGV[2]  TTL in milliseconds, positive
-- ARGV[3]  microseconds since the epoch after which nothing may be written, or 0
--
-- Returns {'mine', s, us, pttl}            the key is ours for pttl more milliseconds
--         {'other', s, us, pttl, holder}   another value has it; pttl is -1 if it never ends
--         {'late', s, us}                  it is after ARGV[3]
-- where s and us are this server's TIME.
--
-- Retry-safe: a repeat finds its own value and only makes it live for the TTL from
-- then on. A key of ours that never ends, because someone took its TTL away, stays so.
local now = redis.call('TIME')
local limit = tonumber(ARGV[3])
if limit > 0 and now[1] * 1000000 + now[2] > limit then
  return {'late', now[1], now[2]}
end
local holder = redis.call('GET', KEYS[1])
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return {'mine', now[1], now[2], ARGV[2]}
end
local left = redis.call('PTTL', KEYS[1])
if holder ~= ARGV[1] then
  return {'other', now[1], now[2], left, holder}
end
if left >= 0 and left < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = ARGV[2]
end
return {'mine', now[1], now[2], left}
