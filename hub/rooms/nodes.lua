-- The nodes that live, and what each says of itself.
--
-- KEYS[1]  a hash: node -> "<lease end (ms on this server's clock)>\n<figures>".
-- ARGV     node or '', its lease (ms; 0: it stops), its figures or '' for those it gave before, 'figures' to be given all nodes' figures.
-- Returns  {node, figures, …} of every node that lives; where they aren't wanted, '1' for figures there are and '' for none.

local node, lease, figures, wanted = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4] == 'figures'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

if node ~= '' and lease > 0 then
  if figures == '' then
    local held = redis.call('HGET', KEYS[1], node)
    figures = held and string.match(held, '^%d+\n(.*)$') or ''
  end
  redis.call('HSET', KEYS[1], node, string.format('%.0f\n', now + lease) .. figures)
elseif node ~= '' then
  redis.call('HDEL', KEYS[1], node)
end

local answer = {}
local held = redis.call('HGETALL', KEYS[1])
for at = 1, #held, 2 do
  local ends, said = string.match(held[at + 1], '^(%d+)\n(.*)$')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[1], held[at])
  else
    answer[#answer + 1] = held[at]
    answer[#answer + 1] = (wanted or said == '') and said or '1'
  end
end
return answer
