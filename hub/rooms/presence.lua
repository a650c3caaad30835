-- Presence in the rooms of one hospital: takes a node's changes, removes what dead nodes left, reads rooms; all of one instant.
--
-- KEYS[1]  leases: a sorted set of "<room>\n<user>\n<node>" by when each ends (ms on this server's clock).
-- ARGV     what a room's key begins with, the node, its lease (ms), how long keys outlive their last change (ms), most leases
--          to end in this call, number of changes; then for each: room, user, status or '' where the user is gone from this
--          node; then the rooms to read.
-- Returns  {instant (µs), leases ended, {user, status, …} for each room to read}.
--
-- A room's key is a hash: user -> {node: status} as JSON. Its name is also that of the channel on which changes go out, as
-- "<instant>\n<status or left>\n<user>". All keys have the hospital's hash tag and so live in KEYS[1]'s slot.

local leases, prefix, own_node = KEYS[1], ARGV[1], ARGV[2]
local lease, kept, most, changes = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local instant = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
local RANK = {active = 3, idle = 2, away = 1}

-- A user with connections on several nodes counts once: the most active wins.
local function combined(nodes)
  local best
  for _, status in pairs(nodes) do
    if not best or (RANK[status] or 0) > RANK[best] then
      best = status
    end
  end
  return best
end

-- What is in the hash is what was announced, so that a lease's end is announced whoever finds it.
local function set(room, user, node, status)
  local key = prefix .. room
  local held = redis.call('HGET', key, user)
  local nodes = held and cjson.decode(held) or {}
  local before = combined(nodes)
  nodes[node] = status
  local after = combined(nodes)
  if after then
    redis.call('HSET', key, user, cjson.encode(nodes))
    redis.call('PEXPIRE', key, kept)
  elseif held then
    redis.call('HDEL', key, user)
  end
  if before ~= after then
    redis.call('PUBLISH', key, table.concat({instant, after or 'left', user}, '\n'))
  end
end

for at = 7, 6 + changes * 3, 3 do
  local room, user, status = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local member = table.concat({room, user, own_node}, '\n')
  if status == '' then
    redis.call('ZREM', leases, member)
    set(room, user, own_node, nil)
  else
    redis.call('ZADD', leases, now + lease, member)
    set(room, user, own_node, status)
  end
end

local ended = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, most)
for _, member in ipairs(ended) do
  local room, user, node = string.match(member, '^(.-)\n(.-)\n(.*)$')
  redis.call('ZREM', leases, member)
  set(room, user, node, nil)
end
if changes > 0 then
  redis.call('PEXPIRE', leases, kept)
end

local answer = {instant, #ended}
for at = 7 + changes * 3, #ARGV do
  local users = {}
  local held = redis.call('HGETALL', prefix .. ARGV[at])
  for place = 1, #held, 2 do
    users[place], users[place + 1] = held[place], combined(cjson.decode(held[place + 1]))
  end
  answer[#answer + 1] = users
end
return answer
