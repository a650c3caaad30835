-- A user's token bucket, shared by all nodes: gives as many tokens as there are, up to what is asked for.
--
-- KEYS[1]  when the bucket will be full again (µs on this server's clock); it ends then, so an unused bucket costs nothing.
-- ARGV     tokens a second, most tokens, tokens asked for.
-- Returns  {tokens given, µs until there is another}; the latter is 0 unless none was given.

local interval, burst, asked = 1000000 / tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
full = math.min(full, now + burst * interval) -- a clock that went back must not lock anybody out
local there = math.floor(burst - (full - now) / interval + 0.000001)
local given = math.min(asked, there)
if given < 1 then
  return {0, math.ceil(full - now - (burst - 1) * interval)}
end
full = full + given * interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {given, 0}
