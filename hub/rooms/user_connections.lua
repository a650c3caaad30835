-- How many connections a user has on each node, and whether there may be as many as this node says.
--
-- KEYS[1]  a hash: node -> "<connections> <lease end (ms on this server's clock)>"; it ends with the last lease.
-- ARGV     node, its connections of the user, most over all nodes, lease (ms); then every node that lives, where that is known.
-- Returns  {1 or 0: whether they may be, connections on other nodes}. Fewer than before always may be.

local node, own, most, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lives = {}
for at = 5, #ARGV do
  lives[ARGV[at]] = true
end

local others, before = 0, 0
local held = redis.call('HGETALL', KEYS[1])
for at = 1, #held, 2 do
  local count, ends = string.match(held[at + 1], '^(%d+) (%d+)$')
  if held[at] == node then
    before = tonumber(count)
  elseif tonumber(ends) <= now or (#ARGV > 4 and not lives[held[at]]) then
    redis.call('HDEL', KEYS[1], held[at])
  else
    others = others + tonumber(count)
  end
end

if own > before and own + others > most then
  return {0, others}
end
if own > 0 then
  redis.call('HSET', KEYS[1], node, string.format('%d %.0f', own, now + lease))
  redis.call('PEXPIRE', KEYS[1], lease)
else
  redis.call('HDEL', KEYS[1], node)
end
return {1, others}
