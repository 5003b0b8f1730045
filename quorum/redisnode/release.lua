-- release.lua: remove our key, or keep it for a set time and no longer.
--
-- KEYS[1]  lock key
-- ARGV[1]  our value
-- ARGV[2]  milliseconds from now to keep the key for, or 0 to remove it
--
-- Returns {'mine', s, us, pttl}            it was ours; pttl is ARGV[2]
--         {'free', s, us}                  nothing is there
--         {'other', s, us, pttl, holder}   another value has it; pttl is -1 if it never ends
-- where s and us are this server's TIME.
--
-- Retry-safe: a repeat finds nothing to remove, or keeps the key for ARGV[2] from then on. It
-- never touches a key that another value has.
local now = redis.call('TIME')
local holder = redis.call('GET', KEYS[1])
if not holder then
  return {'free', now[1], now[2]}
end
if holder ~= ARGV[1] then
  return {'other', now[1], now[2], redis.call('PTTL', KEYS[1]), holder}
end
if tonumber(ARGV[2]) > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return {'mine', now[1], now[2], ARGV[2]}
