-- renew.lua: keep a claim while its load is under way.
--
-- KEYS[1]  claim     ARGV[1]  claim id
--                    ARGV[2]  TTL in milliseconds
--
-- Returns 1  the claim is still the caller's, for the TTL from now
--         0  it is not: it ran out, was voided, or belongs to a later load
--
-- Retry-safe: a repeat restarts the TTL.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
