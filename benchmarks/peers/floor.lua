-- floor.lua: what a node of Redlock must at least do, for one key or for many.
--
-- KEYS[i]            lock key
-- ARGV[1]            microseconds since the epoch after which nothing may be taken, or 0
-- ARGV[3*i-1]        'a' take it, 'e' make it live for its TTL, 'r' give it back
-- ARGV[3*i]          the caller's value
-- ARGV[3*i+1]        TTL in milliseconds
--
-- Returns 1 for each key that is, or was until now, the caller's, and 0 for the others.
local now = redis.call('TIME')
local limit = tonumber(ARGV[1])
local late = limit > 0 and now[1] * 1000000 + now[2] > limit
local out = {}
for i, key in ipairs(KEYS) do
  local kind, value = ARGV[3 * i - 1], ARGV[3 * i]
  local holder = redis.call('GET', key)
  out[i] = 0
  if kind == 'a' then
    if not holder and not late then
      redis.call('SET', key, value, 'PX', ARGV[3 * i + 1])
      out[i] = 1
    elseif holder == value then
      out[i] = 1
    end
  elseif holder == value then
    if kind == 'r' then
      redis.call('DEL', key)
    else
      redis.call('PEXPIRE', key, ARGV[3 * i + 1])
    end
    out[i] = 1
  end
end
return out
