-- Reads rooms of one hospital: epoch, top and entries of one instant (delivery rule 25).
--
-- KEYS[1]  the hospital's hash; KEYS[2…] the rooms' Streams.
-- ARGV     most entries a room, the epoch of the offsets; then for each room the offset after which to read (from the oldest
--          where that epoch is not the present one), or '' for the room's top alone.
-- Returns  {record epoch, epoch, N, {offset, oldest offset kept or 0, {entry, …}} for each room}, an entry being
--          {offset, n, body}; or {} where the hospital has no epoch (a lost key, or no owner yet).

local held = redis.call('HMGET', KEYS[1], 'record_epoch', 'epoch', 'n')
if not (held[1] and held[2] and held[3]) then
  return {}
end

local answer = {tonumber(held[1]), held[2], tonumber(held[3])}
for key = 2, #KEYS do
  local stream, since = KEYS[key], tonumber(ARGV[key + 1])
  local offset = tonumber(redis.call('HGET', KEYS[1], 'o:' .. stream) or '0')
  local entries, oldest = {}, 0
  if offset > 0 then -- else the Stream is what an earlier epoch left
    local kept = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)
    oldest = kept[1] and tonumber(string.match(kept[1][1], '^%d+')) or 0
    if since and ARGV[2] ~= '' and ARGV[2] ~= held[2] then
      since = 0
    end
    if since and since < offset then
      for _, entry in ipairs(redis.call('XRANGE', stream, (since + 1) .. '-0', '+', 'COUNT', ARGV[1])) do
        local fields = entry[2]
        entries[#entries + 1] = {tonumber(string.match(entry[1], '^%d+')), tonumber(fields[2]), fields[8]}
      end
    end
  end
  answer[#answer + 1] = {offset, oldest, entries}
end
return answer
