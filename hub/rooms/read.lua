-- Reads rooms of one hospital: epoch, top and entries of one instant (delivery rule 25).
--
-- KEYS[1]  the hospital's hash; KEYS[2…] the rooms' Streams.
-- ARGV     most entries in all; then for each room the epoch and the offset after which to read (from the oldest where that
--          epoch is not the present one, '' counting as the present one); no offset, '', for the room's top alone.
-- Returns  {record epoch, epoch, N, {offset, oldest offset kept or 0, {entry, …}} for each room}, an entry being
--          {offset, n, body}; nothing in place of the entries where those of the rooms before it left no place; or {} where
--          the hospital has no epoch (a lost key, or no owner yet).

local held = redis.call('HMGET', KEYS[1], 'record_epoch', 'epoch', 'n')
if not (held[1] and held[2] and held[3]) then
  return {}
end

local most = tonumber(ARGV[1])
local left = most

local function read(stream, since, offset, oldest)
  local due = offset - math.max(since, oldest - 1)
  if due > left and left < most then
    return false
  end
  local entries = {}
  for _, entry in ipairs(redis.call('XRANGE', stream, string.format('%.0f-0', since + 1), '+', 'COUNT', left)) do
    local fields = entry[2]
    entries[#entries + 1] = {tonumber(string.match(entry[1], '^%d+')), tonumber(fields[2]), fields[8]}
  end
  left = left - #entries
  return entries
end

local answer = {tonumber(held[1]), held[2], tonumber(held[3])}
for key = 2, #KEYS do
  local stream, epoch, since = KEYS[key], ARGV[2 * key - 2], tonumber(ARGV[2 * key - 1])
  local offset = tonumber(redis.call('HGET', KEYS[1], 'o:' .. stream) or '0')
  local entries, oldest = {}, 0
  if offset > 0 then -- else the Stream is what an earlier epoch left
    local kept = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
    oldest = kept[1] and tonumber(string.match(kept[1][1], '^%d+')) or 0
    if since and epoch ~= '' and epoch ~= held[2] then
      since = 0
    end
    if since and since < offset and oldest > 0 then
      entries = read(stream, since, offset, oldest)
    end
  end
  answer[#answer + 1] = {offset, oldest, entries}
end
return answer
