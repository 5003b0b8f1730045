-- batch.lua: carry out one operation on each of some keys, in their order.
--
-- KEYS[i]            lock key of the i-th operation; a key may come more than once
-- ARGV[1]            plan: its i-th byte, less 47, is the number of the i-th operation's terms
-- ARGV[1+i]          value of the i-th operation; only inspect may leave it empty
-- ARGV[#KEYS+3t-1]   terms t, counted from 1: acquire, extend, heal, release, inspect, handover or
--                    raise; then perhaps a slash and some of the letters
--                      w  a waiter comes behind the terms (acquire, release with t, handover)
--                      t  tell those who wait (acquire with w, release of 0 ms)
--                      n  number the grant (acquire, handover)
-- ARGV[#KEYS+3t]     milliseconds: the TTL, positive; for release how long to keep the key, or 0
-- ARGV[#KEYS+3t+1]   microseconds since the epoch after which acquire, heal and handover write
--                    nothing, or 0
--
-- If some operations take more than that, behind all terms come the word "with"; the longest time in
-- milliseconds for which any client asks to keep a key, if some terms are numbered or a raise; and,
-- operation by operation: for handover the value that takes the place of the operation's own; for w the
-- waiter's ID (no spaces), and for how many microseconds it has waited; for n the hint; for raise the
-- token.
--
-- Returns {s, us, reply of the 1st operation, of the 2nd, ...}, where s and us are this server's
-- TIME, and a reply is
--   n >= 0           the key is ours for n more milliseconds; after release, it is kept for n
--   -1               the key is ours and never ends
--   {n, 1}           the same, and others wait for the key (handover, w, t); the waiter of a handover
--                    is none of them
--   {n, 0|1, token}  the same, with the key's counter, in digits; 1 if others wait (n, raise)
--   -2               nothing is there (extend, release, inspect, handover, raise)
--   -3               it is after the limit, and nothing was written (acquire, heal, handover)
--   {pttl, holder}   another value has the key; pttl is -1 if it never ends
--   an error         this operation failed, and the others did not
--
-- Retry-safe: acquire and heal find their own value and make it live for the TTL from then on;
-- extend makes it live for the TTL from then on, and never creates it; release finds nothing to
-- remove, or keeps the key from then on; handover finds the value that it has put there, and does
-- what acquire does on it; none touches a key that another value has. A key of ours that never ends,
-- because someone took its TTL away, stays so, except under release and handover. heal grants
-- nothing new: what numbers or counts grants belongs to acquire and handover. A value that is there
-- already is not numbered again, unless its counter is gone. A raise never lowers.
--
-- Waiters: an acquire/w that finds another value notes its waiter, and one that gets the key takes
-- it off; a release/t that removes the key takes off whoever has waited longest, and names it in
-- a message; with w it then notes its own waiter. An acquire/wt that gets the key while others wait
-- says so in a message. A note lasts for LIFE. Kept for it:
--   redlock:waiting        there while a note may be left on this server; looked at once a call at
--                          most, and nothing else is if it is not there
--   redlock:since:<key>    sorted set: waiters by the microsecond since when they wait
--   redlock:until:<key>    sorted set: waiters by the microsecond until which their notes last
--   redlock:freed:<00-63>  channels, by the first byte of the key's SHA1, modulo 64; a message is "f"
--                          (freed) or "t" (taken), a space, the waiter's ID, a space, the key
-- All of this is a hint: an error in it is not an error of the operation. Run twice, a release names
-- nobody the second time, a note is renewed, and a message may come twice.
--
-- Numbers: each key has a counter, which a numbered grant raises to
-- max(counter + 1, min(hint, TIME + 1 s)). Kept for it:
--   redlock:token:<key>    the counter, in digits; it goes 2 tmax after it was last raised
--   redlock:meta           hash without end; fields that are not named here are left alone:
--     tmax                 the longest time, in milliseconds, that a client has named
--     period               the time, in tmax since the epoch, in which cur was raised last
--     cur, prev            at least as large as all counters stored in that period, and in the one before
--     floor                at least as large as all stored before those
-- A counter that is not there counts as floor, so that what it may have been is never given again: by the
-- time it goes, its period is neither this one nor the last. cur is written before the counter, ahead by a
-- second or an eighth of tmax, so that it is seldom written. An operation that cannot be numbered fails
-- and leaves the key as it was. All numbers are below 2^53 and exact, as long as they are written by
-- string.format('%.0f').
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

local rest -- where in ARGV what comes behind the terms goes on
local longest -- of which the first, if something is to be numbered, is the longest time to keep a key

-- Those who wait. Made only where an operation has to do with them, and the lists only where there may be some.
local function waiting()
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
      return n > 1 or n == 1 and not (id and call('ZSCORE', SINCE .. key, id))
    end

    return {note = note, name = name, leave = leave, others = others}
  end

  local somebody, made

  local function hint(what, ...)
    made = made or lists()
    local fine, result = pcall(made[what], ...)
    return fine and result
  end

  -- The answer n, with what the hint says on whether others wait.
  local function told(n, what, ...)
    if somebody == nil then
      local fine, marks = pcall(call, 'EXISTS', MARK)
      somebody = fine and marks == 1
    end
    if somebody and hint(what, ...) then
      return {n, 1}
    end
    return n
  end

  local function note(key, id, waited)
    hint('note', key, id, waited)
    somebody = true
  end

  return {told = told, note = note}
end

-- The counters. Made only where something is to be numbered.
local function counters()
  local COUNTER, META, END, format = 'redlock:token:', 'redlock:meta', 9007199254740992, string.format
  local max, min = math.max, math.min
  local tmax, period, cur, prev, floor, life

  local function whole(text, what)
    local n = tonumber(text)
    if not n or n % 1 ~= 0 or n < 0 or n >= END then
      error({err = 'ERR ' .. string.sub(what, 1, 200) .. ' is not a whole number below 2^53'})
    end
    return n
  end

  -- Reads what is known of all counters, as it is in this period.
  local function look()
    local meta = call('HMGET', META, 'tmax', 'period', 'cur', 'prev', 'floor')
    for i = 1, 5 do
      meta[i] = meta[i] and whole(meta[i], META) or 0
    end
    local known, at = meta[1], meta[2]
    cur, prev, floor = meta[3], meta[4], meta[5]
    local most = max(known, whole(longest, 'the longest time to keep a key'), 1)
    period = math.floor(micros / (1000 * most))
    if most == known and at == period - 1 then
      cur, prev, floor = 0, cur, max(floor, prev)
    elseif most ~= known or at ~= period then
      cur, prev, floor = 0, 0, max(floor, prev, cur)
    end
    tmax, life = most, format('%.0f', 2 * most)
  end

  -- Makes that the number, and returns its digits.
  local function store(counter, n)
    if n >= END then
      error({err = 'ERR ' .. string.sub(counter, 1, 200) .. ' would reach 2^53'})
    end
    if n > cur then
      local step = min(1000000, 125 * tmax)
      local ahead = min(math.ceil(n / step) * step, END - 1)
      call('HSET', META, 'tmax', format('%.0f', tmax), 'period', format('%.0f', period),
        'cur', format('%.0f', ahead), 'prev', format('%.0f', prev), 'floor', format('%.0f', floor))
      cur = ahead
    end
    local digits = format('%.0f', n)
    call('SET', counter, digits, 'PX', life)
    return digits
  end

  -- Gives the key a number. A value that is kept, since it is there already, keeps its number as well.
  local function draw(key, hint, kept)
    local counter = COUNTER .. key
    local n = call('GET', counter)
    n = n and whole(n, counter)
    if n and kept then
      return format('%.0f', n)
    end
    if not tmax then
      look()
    end
    return store(counter, max((n or floor) + 1, min(whole(hint, 'the hint'), micros + 1000000)))
  end

  local function grant(key, value, t, hint)
    if t.late then
      return LATE
    end
    if call('SET', key, value, 'NX', 'PX', t.ttl) then
      local fine, token = pcall(draw, key, hint)
      if not fine then
        call('DEL', key)
        error(token, 0)
      end
      return t.length, token
    end
    local holder = call('GET', key)
    if holder ~= value then
      return other(key, holder)
    end
    local token = draw(key, hint, true)
    return prolong(key, t), token
  end

  local function raise(key, token)
    local counter, least = COUNTER .. key, whole(token, 'the token')
    local n = call('GET', counter)
    n = n and whole(n, counter)
    if n and n >= least then
      return format('%.0f', n)
    end
    if not tmax then
      look()
    end
    return store(counter, max(n or floor, least))
  end

  return {draw = draw, grant = grant, raise = raise}
end

-- The answer, with a number if there is one.
local function with(answer, token)
  if not token then
    return answer
  elseif type(answer) == 'table' then
    return {answer[1], 1, token}
  end
  return {answer, 0, token}
end

-- Returns what carries out an operation that takes more than key, value and terms.
local queue, counts
local function special(word)
  local kind, flags = string.match(word, '^(%a+)/?(%a*)$')
  local waits, telling, number = string.find(flags, 'w'), string.find(flags, 't'), string.find(flags, 'n')
  if number or kind == 'raise' then
    counts = counts or counters()
  end
  if waits or telling or kind == 'handover' then
    queue = queue or waiting()
  end

  local function take()
    rest = rest + 1
    return ARGV[rest]
  end

  if kind == 'acquire' then
    return function(key, value, t)
      local id, waited, n, token
      if waits then
        id, waited = take(), take()
      end
      if number then
        n, token = counts.grant(key, value, t, take())
      else
        n = grant(key, value, t)
      end
      if id and type(n) == 'table' then
        queue.note(key, id, waited)
      elseif id and n ~= LATE then
        n = queue.told(n, 'leave', key, id, telling)
      end
      return with(n, token)
    end
  end

  if kind == 'release' then
    return function(key, value, t)
      local id, waited
      if waits then
        id, waited = take(), take()
      end
      local n = release(key, value, t)
      if n ~= 0 then
        return n
      end
      n = queue.told(n, 'name', key, id)
      if id then
        queue.note(key, id, waited)
      end
      return n
    end
  end

  if kind == 'handover' then
    return function(key, value, t)
      local heir, id = take(), nil
      if waits then
        id = take()
        take() -- which says for how long
      end
      local hint = number and take()
      if t.late then
        return LATE
      end
      local holder = call('GET', key)
      local kept = holder == heir
      if not holder then
        return FREE
      elseif not kept and holder ~= value then
        return other(key, holder)
      end
      local token = number and counts.draw(key, hint, kept)
      if kept then
        return with(queue.told(prolong(key, t), 'others', key, id), token)
      end
      call('SET', key, heir, 'PX', t.ttl)
      return with(queue.told(t.length, 'others', key, id), token)
    end
  end

  return kind == 'raise' and function(key, value)
    local token = take()
    local holder = call('GET', key)
    if not holder then
      return FREE
    elseif holder ~= value then
      return other(key, holder)
    end
    token = counts.raise(key, token)
    return with(call('PTTL', key), token)
  end
end

local function runs(word)
  if word == 'acquire' or word == 'heal' then
    return grant
  elseif word == 'release' then
    return release
  elseif word == 'extend' then
    return extend
  end
  return word == 'inspect' and inspect or special(word)
end

local terms = {}
for at = #KEYS + 2, #ARGV, 3 do
  local word = ARGV[at]
  if word == 'with' then
    rest = at
    if counts then
      rest, longest = at + 1, ARGV[at + 1]
    end
    break
  end
  local limit = tonumber(ARGV[at + 2])
  terms[#terms + 1] = {
    run = runs(word),
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
