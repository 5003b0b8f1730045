-- push_unique.lua: append an element to a list that does not have it.
--
-- KEYS[1]  list                   ARGV[1]  element
--
-- Returns {1}               appended
--         {0}               the list has it; nothing was written
--         {-1, 1, type}     the key is of another type; nothing was written
--
-- Retry-safe: a repeat after a lost reply finds the element and appends nothing, but answers 0, as if
-- somebody else had been first. Takes time in proportion to the length of the list.
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'none' and kind ~= 'list' then
  return {-1, 1, kind}
end
if redis.call('LPOS', KEYS[1], ARGV[1]) then
  return {0}
end
redis.call('RPUSH', KEYS[1], ARGV[1])
return {1}
