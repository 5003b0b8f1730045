-- fail.lua: give up a claim whose load failed, and tell who waits why.
--
-- KEYS[1]  claim                     ARGV[1]  claim id
-- KEYS[2]  the last load's error     ARGV[2]  how long nobody is to load again, in milliseconds, may be 0
--                                    ARGV[3]  the error's text
--                                    ARGV[4]  channel
--                                    ARGV[5]  message
--
-- Returns 1  given up
--         0  it was not the caller's any more; nothing was written
--
-- Retry-safe: a repeat finds no claim and answers 0.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '0' then
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
end
redis.pcall('PUBLISH', ARGV[4], ARGV[5])
return 1
