-- reserve.lua: take a quantity from a stock for an order, and log the order.
--
-- KEYS[1]  stock, a string                          ARGV[1]  order id
-- KEYS[2]  log, a list of order ids, newest first   ARGV[2]  quantity, in [1, 2^53)
-- KEYS[3]  reserved, a hash of order id to quantity
--
-- Returns {1, left}            reserved; left in stock
--         {0, left}            short: less is left than asked for; nothing was written
--         {2, left, quantity}  the order has been reserved before, for that quantity; nothing was written
--         {3}                  short, since there is no stock key; nothing was written
--         {-1, i, type}        KEYS[i] is of another type; nothing was written
--         {-2, i, text}        KEYS[i] holds text, which is no integer in (-2^53, 2^53), or for
--                              KEYS[3] none in [1, 2^53); nothing was written
--
-- Retry-safe: a repeat with the same order id takes nothing and answers 2, for as long as KEYS[3]
-- has the order. Everything is checked before the first write, as Redis takes no write back.

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

local kinds = {'string', 'list', 'hash'}
for i = 1, #kinds do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= kinds[i] then
    return {-1, i, kind}
  end
end

local stored = redis.call('GET', KEYS[1])
local stock = exact(stored or '0')
if not stock then
  return {-2, 1, string.sub(stored, 1, 64)}
end
local before = redis.call('HGET', KEYS[3], ARGV[1])
if before then
  local quantity = exact(before)
  if not quantity or quantity < 1 then
    return {-2, 3, string.sub(before, 1, 64)}
  end
  return {2, stock, quantity}
end
if not stored then
  return {3}
end
if stock < tonumber(ARGV[2]) then
  return {0, stock}
end

local left = redis.call('DECRBY', KEYS[1], ARGV[2])
redis.call('LPUSH', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
return {1, left}
