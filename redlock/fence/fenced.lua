-- fenced.lua: comes between fence.lua and the body of a script that is guarded.
--
-- KEYS[#KEYS]       guard key
-- ARGV[#ARGV-1]     token
-- ARGV[#ARGV]       milliseconds for which the guard key is kept, or 0
--
-- All three are taken away, so that the body sees its own keys and arguments alone.
do
  local keep, token = table.remove(ARGV), table.remove(ARGV)
  local stale = fence(table.remove(KEYS), token, keep)
  if stale then
    return stale
  end
end
