-- Sends messages of one hospital to those who watch live-only rooms just now. Nothing is kept, and nothing has an N.
--
-- KEYS[1]  the hospital's hash: record_epoch.
-- KEYS[2…] the rooms' channels.
-- ARGV     record epoch, lease end and margin (ms), then a payload for each room. A lease end of 0: not an owner's, and not fenced.
-- Returns  {status, record epoch, subscribers reached}; status is ok, lease_ended or older_record_epoch.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local lease_ends = tonumber(ARGV[2])
local held = tonumber(redis.call('HGET', KEYS[1], 'record_epoch') or -1)

if lease_ends > 0 then
  if now > lease_ends - tonumber(ARGV[3]) then -- delivery rule 21
    return {'lease_ended', held, 0}
  end
  if held > tonumber(ARGV[1]) then -- delivery rule 20
    return {'older_record_epoch', held, 0}
  end
end

local reached = 0
for room = 2, #KEYS do
  reached = reached + redis.call('PUBLISH', KEYS[room], ARGV[room + 2])
end
return {'ok', held, reached}
