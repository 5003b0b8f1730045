-- increment.lua: add one to a counter that is below its maximum.
--
-- KEYS[1]  counter, a string      ARGV[1]  maximum, in [1, 2^53)
--
-- Returns {1, value}        incremented to value
--         {0, value}        value is at the maximum or over it; nothing was written
--         {-1, 1, type}     the key is of another type; nothing was written
--         {-2, 1, text}     the key holds text, no integer in (-2^53, 2^53); nothing was written
--
-- Not retry-safe: a repeat after a lost reply counts once more, though never over the maximum. A
-- missing key counts as 0, and a key that has a TTL keeps it.

-- Numbers in Lua are doubles. From 2^53 on they skip integers, and comparing would be guessing.
local function exact(text)
  local n = string.match(text, '^-?[1-9]%d*$') and tonumber(text)
  if text == '0' then
    n = 0
  end
  if n and n > -9007199254740992 and n < 9007199254740992 then
    return n
  end
end

local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'string' then
  return {-1, 1, kind}
end
local stored = redis.call('GET', KEYS[1]) or '0'
local value = exact(stored)
if not value then
  return {-2, 1, string.sub(stored, 1, 64)}
end
if value >= tonumber(ARGV[1]) then
  return {0, value}
end
return {1, redis.call('INCR', KEYS[1])}
