-- Publishes messages of one hospital to its rooms, in order and all at once.
--
-- KEYS[1]  the hospital's hash: record_epoch, epoch, n, and for each room its offset (o:<key>) and bytes so far (b:<key>).
--          It never expires: whoever holds a position in a room can be told the truth about it (delivery rule 17).
-- KEYS[2…] the rooms' Streams; each is also the name of the room's channel.
-- ARGV     record epoch, epoch to begin if one must begin, lease end and margin (ms), history (ms, bytes), the N to begin
--          from or '' when only publishing, number of messages; then for each: N, body, number of rooms, the rooms' places in KEYS.
-- Returns  {status, record epoch, epoch, N}; status is ok, lease_ended, older_record_epoch or epoch_used.

local hash = KEYS[1]
local record_epoch, new_epoch = tonumber(ARGV[1]), ARGV[2]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local held = redis.call('HMGET', hash, 'record_epoch', 'epoch', 'n')
local held_record_epoch, epoch, n = tonumber(held[1]), held[2], tonumber(held[3])

local function answer(status)
  return {status, held_record_epoch or -1, epoch or '', n or -1}
end

if now > tonumber(ARGV[3]) - tonumber(ARGV[4]) then -- delivery rule 21
  return answer('lease_ended')
end
if held_record_epoch and held_record_epoch > record_epoch then -- delivery rule 20
  return answer('older_record_epoch')
end

-- Offsets start again at 0 under an epoch never used before, so that none is ever used twice (delivery rule 18).
local function begin()
  redis.call('DEL', hash)
  epoch, held_record_epoch = new_epoch, record_epoch
end

local must_begin = not epoch or not n or not held_record_epoch or held_record_epoch < record_epoch
local from = tonumber(ARGV[7])
local messages = tonumber(ARGV[8])

-- Whether N would not advance by exactly one (delivery rule 19).
local function jumps()
  local at, last = 9, n
  for _ = 1, messages do
    local message_n = tonumber(ARGV[at])
    if message_n > last + 1 then
      return true
    end
    last = math.max(last, message_n)
    at = at + 3 + tonumber(ARGV[at + 2])
  end
  return from and from > n
end

if must_begin or jumps() then
  if epoch == new_epoch then
    return answer('epoch_used')
  end
  begin()
  n = from or tonumber(ARGV[9]) - 1
end

-- One entry is read at a time, bodies and all: mostly the oldest may stay, and that is a fifth of what a message costs here.
local function trim(stream, bytes)
  for _ = 1, 3 do
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    if not oldest then
      return
    end
    local fields = oldest[2]
    if tonumber(fields[4]) + tonumber(ARGV[5]) >= now and bytes - tonumber(fields[6]) <= tonumber(ARGV[6]) then
      return
    end
    redis.call('XDEL', stream, oldest[1])
  end
end

local function put(stream, message_n, body)
  local offset = redis.call('HINCRBY', hash, 'o:' .. stream, 1)
  local bytes = redis.call('HINCRBY', hash, 'b:' .. stream, #body)
  if offset == 1 then
    redis.call('DEL', stream) -- what an earlier epoch left
  end
  redis.call('XADD', stream, offset .. '-0', 'n', message_n, 't', now, 'b', bytes - #body, 'm', body)
  trim(stream, bytes)
  redis.call('PEXPIRE', stream, ARGV[5])
  redis.call('PUBLISH', stream, table.concat({record_epoch, epoch, offset, message_n, body}, '\n'))
end

local at = 9
for _ = 1, messages do
  local message_n, body, rooms = tonumber(ARGV[at]), ARGV[at + 1], tonumber(ARGV[at + 2])
  if message_n > n then -- at or below: a repeat, already there
    for room = at + 3, at + 2 + rooms do
      put(KEYS[tonumber(ARGV[room])], ARGV[at], body)
    end
    n = message_n
  end
  at = at + 3 + rooms
end
redis.call('HSET', hash, 'record_epoch', record_epoch, 'epoch', epoch, 'n', n)
return answer('ok')
