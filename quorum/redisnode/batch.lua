-- batch.lua: carry out one operation on each of some keys, in their order.
--
-- KEYS[i]            lock key of the i-th operation; a key may come more than once
-- ARGV[1]            plan: its i-th byte, less 47, is the number of the i-th operation's terms
-- ARGV[1+i]          value of the i-th operation; only inspect may leave it empty
-- ARGV[#KEYS+3t-1]   terms t, counted from 1: acquire, extend, heal, release, inspect, handover, or
--                    one of those that know who waits: acquire-as, acquire-as-telling,
--                    release-telling, release-telling-as;
-- ARGV[#KEYS+3t]     milliseconds: the TTL, positive; for release how long to keep the key, or 0;
-- ARGV[#KEYS+3t+1]   microseconds since the epoch after which acquire, heal and handover write
--                    nothing, or 0
--
-- If some operations take more than that, behind all terms come the word "with" and, operation by
-- operation: for handover the value that takes the place of the operation's own, and the ID of the
-- waiter that is not one of the others, or nothing; for each -as the waiter's ID (no spaces) and for
-- how many microseconds it has waited.
--
-- Returns {s, us, reply of the 1st operation, of the 2nd, ...}, where s and us are this server's
-- TIME, and a reply is
--   n >= 0           the key is ours for n more milliseconds; after release, it is kept for n
--   -1               the key is ours and never ends
--   {n, 1}           the same, and others wait for the key (handover, -as, -telling)
--   -2               nothing is there (extend, release, inspect, handover)
--   -3               it is after the limit, and nothing was written (acquire, heal, handover)
--   {pttl, holder}   another value has the key; pttl is -1 if it never ends
--   an error         this operation failed, and the others did not
--
-- Retry-safe: acquire and heal find their own value and make it live for the TTL from then on;
-- extend makes it live for the TTL from then on, and never creates it; release finds nothing to
-- remove, or keeps the key from then on; handover finds the value that it has put there, and does
-- what acquire does on it; none touches a key that another value has. A key of ours that never ends,
-- because someone took its TTL away, stays so, except under release and handover. heal grants
-- nothing new: what numbers or counts grants belongs to acquire and handover.
--
-- Waiters: an acquire-as that finds another value notes its waiter, and one that gets the key takes
-- it off; a release-telling that removes the key takes off whoever has waited longest, and names it in
-- a message; then release-telling-as notes its own waiter. An acquire-as-telling that gets the key
-- while others wait says so in a message. A note lasts for LIFE. Kept for it:
--   redlock:waiting        there while a note may be left on this server; looked at once a call at
--                          most, and nothing else is if it is not there
--   redlock:since:<key>    sorted set: waiters by the microsecond since when they wait
--   redlock:until:<key>    sorted set: waiters by the microsecond until which their notes last
--   redlock:freed:<00-63>  channels, by the first byte of the key's SHA1, modulo 64; a message is "f"
--                          (freed) or "t" (taken), a space, the waiter's ID, a space, the key
-- All of this is a hint: an error in it is not an error of the operation. Run twice, a release names
-- nobody the second time, a note is renewed, and a message may come twice.
local call, byte, pcall = redis.call, string.byte, pcall
local now = call('TIME')
local seconds, fraction = tonumber(now[1]), tonumber(now[2])
local micros = seconds * 1000000 + fraction
local FREE, LATE, MARK = -2, -3, 'redlock:waiting'

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

-- The lists of waiters. They are made only where there may be some.
local function lists()
  local SINCE, UNTIL, LIFE = 'redlock:since:', 'redlock:until:', 3000

  local function forget(key, ...)
    call('ZREM', SINCE .. key, ...)
    call('ZREM', UNTIL .. key, ...)
  end

  -- How many wait for a key. Who was not noted again is forgotten.
  local function count(key)
    repeat
      local dead = call('ZRANGEBYSCORE', UNTIL .. key, '-inf', micros, 'LIMIT', 0, 100)
      if #dead > 0 then
        forget(key, unpack(dead))
      end
    until #dead < 100
    return call('ZCARD', SINCE .. key)
  end

  local function note(key, id, waited)
    count(key)
    local since = micros - waited
    local known = call('ZSCORE', SINCE .. key, id)
    if not known or since < tonumber(known) then
      call('ZADD', SINCE .. key, since, id)
    end
    call('ZADD', UNTIL .. key, micros + LIFE * 1000, id)
    call('PEXPIRE', SINCE .. key, LIFE)
    call('PEXPIRE', UNTIL .. key, LIFE)
    call('SET', MARK, '', 'PX', LIFE)
  end

  local function tell(what, id, key)
    local shard = tonumber(string.sub(redis.sha1hex(key), 1, 2), 16) % 64
    pcall(call, 'PUBLISH', string.format('redlock:freed:%02d', shard), what .. ' ' .. id .. ' ' .. key)
  end

  -- Names who has waited longest, but for one, and returns nil if there is nobody.
  local function name(key, except)
    count(key)
    local oldest = call('ZRANGE', SINCE .. key, 0, 1)
    local id = oldest[1]
    if id == except then
      id = oldest[2]
    end
    if id then
      forget(key, id)
      tell('f', id, key)
    end
    return id
  end

  -- Takes a waiter off that has got the key, and reports whether others wait.
  local function leave(key, id, telling)
    forget(key, id)
    local others = count(key) > 0
    if others and telling then
      tell('t', id, key)
    end
    return others
  end

  local function others(key, id)
    local n = count(key)
    return n > 1 or n == 1 and not call('ZSCORE', SINCE .. key, id)
  end

  return {note = note, name = name, leave = leave, others = others}
end

-- Returns what carries out an operation that knows who waits.
local rest -- where in ARGV what these operations take goes on
local made, somebody
local function knowing(kind)
  -- The answer n, with what the hint says on whether others wait.
  local function told(n, what, ...)
    if somebody == nil then
      local fine, marks = pcall(call, 'EXISTS', MARK)
      somebody = fine and marks == 1
    end
    if somebody then
      made = made or lists()
      local fine, others = pcall(made[what], ...)
      if fine and others then
        return {n, 1}
      end
    end
    return n
  end

  if kind == 'release-telling' then
    return function(key, value, t)
      local n = release(key, value, t)
      return n == 0 and told(n, 'name', key) or n
    end
  end

  local function take()
    rest = rest + 1
    return ARGV[rest]
  end

  local function note(key, id, waited)
    made = made or lists()
    pcall(made.note, key, id, waited)
    somebody = true
  end

  if kind == 'release-telling-as' then
    return function(key, value, t)
      local id, waited = take(), take()
      local n = release(key, value, t)
      if n == 0 then
        n = told(n, 'name', key, id)
        note(key, id, waited)
      end
      return n
    end
  end

  if kind == 'acquire-as' or kind == 'acquire-as-telling' then
    return function(key, value, t)
      local id, waited = take(), take()
      local n = grant(key, value, t)
      if type(n) == 'table' then
        note(key, id, waited)
      elseif n ~= LATE then
        return told(n, 'leave', key, id, kind == 'acquire-as-telling')
      end
      return n
    end
  end

  return kind == 'handover' and function(key, value, t)
    local heir, id = take(), take()
    if t.late then
      return LATE
    end
    local holder = call('GET', key)
    if holder == heir then
      return told(prolong(key, t), 'others', key, id)
    elseif not holder then
      return FREE
    elseif holder ~= value then
      return other(key, holder)
    end
    call('SET', key, heir, 'PX', t.ttl)
    return told(t.length, 'others', key, id)
  end
end

local function runs(kind)
  if kind == 'acquire' or kind == 'heal' then
    return grant
  elseif kind == 'release' then
    return release
  elseif kind == 'extend' then
    return extend
  end
  return kind == 'inspect' and inspect or knowing(kind)
end

local terms = {}
for at = #KEYS + 2, #ARGV, 3 do
  local kind = ARGV[at]
  if kind == 'with' then
    rest = at
    break
  end
  local limit = tonumber(ARGV[at + 2])
  terms[#terms + 1] = {
    run = runs(kind),
    ttl = ARGV[at + 1],
    length = tonumber(ARGV[at + 1]),
    late = limit > 0 and micros > limit,
  }
end

local replies = {seconds, fraction}
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
