-- fence.lua: the guard of a resource in Redis, to stand before the script that reads or writes it.
--
--   local stale = fence(key, token, keep)
--   if stale then return stale end
--
-- key     guard key, in the slot of what it guards: Redis.Key of the Go package names it
-- token   the caller's token: decimal digits, from 1 to 2^53-1
-- keep    milliseconds for which the guard key is kept from now on; '0' or nil for ever
--
-- Returns nil               the token is admitted, and is now the newest
--         {err = 'STALETOKEN n'}   n, which is larger, was admitted before: write nothing
--         {err = 'BADTOKEN ...'}   the token or what the key holds is no token: write nothing
--
-- Retry-safe: a repeat finds its own token, which is admitted unless a newer one came between.
local function fence(key, token, keep)
  local function number(text)
    if type(text) ~= 'string' or not string.match(text, '^[1-9]%d*$') or #text > 16 then
      return nil
    end
    local n = tonumber(text)
    if n <= 9007199254740991 then
      return n
    end
  end
  local mine = number(token)
  if not mine then
    return {err = 'BADTOKEN what was presented is no token'}
  end
  local stored = redis.call('GET', key)
  local newest = stored and number(stored)
  if stored and not newest then
    return {err = 'BADTOKEN what the guard key holds is no token'}
  end
  if newest and mine < newest then
    return {err = 'STALETOKEN ' .. string.format('%.0f', newest)}
  end
  local text = string.format('%.0f', mine)
  if keep and tonumber(keep) > 0 then
    redis.call('SET', key, text, 'PX', keep)
  elseif mine ~= newest or redis.call('PTTL', key) >= 0 then
    redis.call('SET', key, text)
  end
  return nil
end
