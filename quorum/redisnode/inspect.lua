-- inspect.lua: say what is under the key, and change nothing.
--
-- KEYS[1]  lock key
-- ARGV[1]  our value, may be empty
--
-- Returns {'mine', s, us, pttl}            it is ours for pttl more milliseconds
--         {'free', s, us}                  nothing is there
--         {'other', s, us, pttl, holder}   another value has it
-- where s and us are this server's TIME, and pttl is -1 if the key never ends.
--
-- Retry-safe: it writes nothing.
local now = redis.call('TIME')
local holder = redis.call('GET', KEYS[1])
if not holder then
  return {'free', now[1], now[2]}
end
local left = redis.call('PTTL', KEYS[1])
if holder ~= ARGV[1] then
  return {'other', now[1], now[2], left, holder}
end
return {'mine', now[1], now[2], left}
