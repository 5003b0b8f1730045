-- extend.lua: make our key live longer, never shorter, and never create it.
--
-- KEYS[1]  lock key
-- ARGV[1]  our value
-- ARGV[2]  TTL in milliseconds, positive
--
-- Returns {'mine', s, us, pttl}            the key is ours for pttl more milliseconds
--         {'free', s, us}                  nothing is there
--         {'other', s, us, pttl, holder}   another value has it; pttl is -1 if it never ends
-- where s and us are this server's TIME.
--
-- Retry-safe: a repeat makes the key live for the TTL from then on. A key of ours that never
-- ends, because someone took its TTL away, stays so: a TTL would shorten its life.
local now = redis.call('TIME')
local holder = redis.call('GET', KEYS[1])
if not holder then
  return {'free', now[1], now[2]}
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
