-- claim.lua: write down, before the load, who loads a missing or stale value.
--
-- KEYS[1]  value                     ARGV[1]  claim id, "<token>-<nonce>", unique per claim
-- KEYS[2]  claim                     ARGV[2]  token of the lease, 0 for none
-- KEYS[3]  the last load's error     ARGV[3]  mark of the value that the caller has seen: '' for none,
--                                             '*' if whatever is there has to be loaded anew
--                                    ARGV[4]  TTL of the claim in milliseconds
--                                    ARGV[5]  1 if no lease stands behind the claim
--
-- Returns {1}           load: the claim is the caller's until its TTL runs out
--         {0, v, pttl}  a value that the caller has not seen was stored meanwhile
--         {2, text}     a load failed a moment ago, and the next one has to wait
--         {-1, id}      a lease with a greater token has claimed: the caller is late
--         {-2, pttl}    no lease stands behind the caller, and somebody has claimed for pttl more
--
-- Retry-safe: a repeat with the same id restarts the TTL.
local mark = redis.call('GETRANGE', KEYS[1], 2, 9)
if ARGV[3] ~= '*' and mark ~= '' and mark ~= ARGV[3] then
  return {0, redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
end
local failed = ARGV[3] ~= '*' and redis.call('GET', KEYS[3])
if failed then
  return {2, failed}
end

local current = redis.call('GET', KEYS[2])
if current and current ~= ARGV[1] then
  if ARGV[5] == '1' then
    return {-2, redis.call('PTTL', KEYS[2])}
  end
  local token = tonumber(string.match(current, '^%d+')) or 0
  if token > tonumber(ARGV[2]) and ARGV[2] ~= '0' then
    return {-1, current}
  end
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[4])
return {1}
