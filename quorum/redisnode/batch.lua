-- batch.lua: carry out one operation on each of some keys, in their order.
--
-- KEYS[i]            lock key of the i-th operation; a key may come more than once
-- ARGV[1]            plan: its i-th byte, less 47, is the number of the i-th operation's terms
-- ARGV[1+i]          value of the i-th operation; only inspect may leave it empty
-- ARGV[#KEYS+3t-1]   terms t, counted from 1: acquire, extend, heal, release or inspect;
-- ARGV[#KEYS+3t]     milliseconds: the TTL, positive; for release how long to keep the key, or 0;
-- ARGV[#KEYS+3t+1]   microseconds since the epoch after which acquire and heal write nothing, or 0
--
-- Returns {s, us, reply of the 1st operation, of the 2nd, ...}, where s and us are this server's
-- TIME, and a reply is
--   n >= 0           the key is ours for n more milliseconds; after release, it is kept for n
--   -1               the key is ours and never ends
--   -2               nothing is there (extend, release, inspect)
--   -3               it is after the limit, and nothing was written (acquire, heal)
--   {pttl, holder}   another value has the key; pttl is -1 if it never ends
--   an error         this operation failed, and the others did not
--
-- Retry-safe: acquire and heal find their own value and make it live for the TTL from then on;
-- extend makes it live for the TTL from then on, and never creates it; release finds nothing to
-- remove, or keeps the key from then on; none touches a key that another value has. A key of ours
-- that never ends, because someone took its TTL away, stays so, except under release. heal grants
-- nothing new: what numbers or counts grants belongs to acquire.
local call, byte, pcall = redis.call, string.byte, pcall
local now = call('TIME')
local micros = now[1] * 1000000 + now[2]
local FREE, LATE = -2, -3

local function other(key, holder)
  return {call('PTTL', key), holder}
end

local function prolong(key, t)
  local left = call('PTTL', key)
  if left >= 0 and left < t.length then
    call('PEXPIRE', key, t.ttl)
    return t.length
  end
  return left
end

local function grant(key, value, t)
  if t.late then
    return LATE
  end
  if call('SET', key, value, 'NX', 'PX', t.ttl) then
    return t.length
  end
  local holder = call('GET', key)
  if holder ~= value then
    return other(key, holder)
  end
  return prolong(key, t)
end

local function extend(key, value, t)
  local holder = call('GET', key)
  if not holder then
    return FREE
  end
  if holder ~= value then
    return other(key, holder)
  end
  return prolong(key, t)
end

local function release(key, value, t)
  local holder = call('GET', key)
  if not holder then
    return FREE
  end
  if holder ~= value then
    return other(key, holder)
  end
  if t.length > 0 then
    call('PEXPIRE', key, t.ttl)
  else
    call('DEL', key)
  end
  return t.length
end

local function inspect(key, value)
  local holder = call('GET', key)
  if not holder then
    return FREE
  end
  if holder ~= value then
    return other(key, holder)
  end
  return call('PTTL', key)
end

local kinds = {acquire = grant, extend = extend, heal = grant, release = release, inspect = inspect}
local terms = {}
for at = #KEYS + 2, #ARGV, 3 do
  local limit = tonumber(ARGV[at + 2])
  terms[#terms + 1] = {
    run = kinds[ARGV[at]],
    ttl = ARGV[at + 1],
    length = tonumber(ARGV[at + 1]),
    late = limit > 0 and micros > limit,
  }
end

local replies = {tonumber(now[1]), tonumber(now[2])}
for i = 1, #KEYS do
  local t = terms[byte(ARGV[1], i) - 47]
  local fine, reply = pcall(t.run, KEYS[i], ARGV[i + 1], t)
  if not fine and type(reply) ~= 'table' then
    -- A mistake in the arguments; before version 7 every error, perhaps behind the place in the script.
    reply = string.match(reply, '^@user_script: ?%d+: %-?(.*)$') or reply
    reply = {err = string.match(reply, '^%u%u+ .*$') or 'ERR ' .. reply}
  end
  replies[i + 2] = reply
end
return replies
