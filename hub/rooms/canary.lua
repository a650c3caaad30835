-- Sends a canary: a write that replicas can acknowledge, and a message that must come back to whoever sent it.
--
-- KEYS[1]  the canary's channel, and the key under which it is written.
-- ARGV     the token, and how long it is kept (ms).

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('PUBLISH', KEYS[1], ARGV[1])
