-- hit.lua: count a hit in the window under way, or begin one.
--
-- KEYS[1]  hits of the window, a string      ARGV[1]  length of a window in milliseconds, positive
--
-- Returns {1, count, left}  hits so far, with this one; left milliseconds until the window ends
--         {-1, 1, type}     the key is of another type; nothing was written
--         {-2, 1, text}     the key holds text, no integer in [0, 2^53-1); nothing was written
--
-- Not retry-safe: a repeat after a lost reply is one more hit, so that fewer are allowed, never more.
-- A window that has lost its TTL would never end; it is given a whole new one.

-- Numbers in Lua are doubles. From 2^53 on they skip integers, and a count would not move.
local function countable(text)
  local n = string.match(text, '^[1-9]%d*$') and tonumber(text)
  if text == '0' then
    n = 0
  end
  if n and n < 9007199254740991 then
    return n
  end
end

local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then
  return {-1, 1, kind}
end
local stored = redis.call('GET', KEYS[1]) or '0'
if not countable(stored) then
  return {-2, 1, string.sub(stored, 1, 64)}
end
local count = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {1, count, left}
