-- KEYS[1]: the prefix. ARGV: "take", bucket, rate (tokens a second), burst, count; or "empty".
-- Answers the seconds to wait for, as text; "0": taken.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local evicted = string.match(redis.call('INFO', 'stats'), 'evicted_keys:(%d+)')

-- Since when buckets have been filling that are not known. Another run of the server, or a fresh one, knows nothing.
local since = redis.call('HMGET', KEYS[1], 'run', 'evicted', 'at', 'turn')
local born = tonumber(since[3] or '')
local turn = tonumber(since[4] or '0') or 0
local fresh = since[1] ~= run or not born or ARGV[1] == 'empty' or since[2] ~= evicted
if fresh then
  born = now
  turn = turn + 1
  redis.call('HSET', KEYS[1], 'run', run, 'evicted', evicted, 'at', string.format('%.6f', now), 'turn', turn)
  redis.call('EXPIRE', KEYS[1], 7 * 86400)
end
if since[1] == run and since[2] ~= evicted then
  return redis.error_reply('EVICTING the server drops keys to save memory')
end
if ARGV[1] == 'empty' then
  return '0'
end

local rate, burst, count = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local key = KEYS[1] .. ':' .. string.format('%.6f', born) .. ':' .. turn .. ':' .. ARGV[2]
local known = redis.call('HMGET', key, 'tokens', 'at')
local tokens = tonumber(known[1] or '0') or 0
local at = tonumber(known[2] or '') or born
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
if tokens + 0.000001 < count then
  return string.format('%.6f', (count - tokens) / rate)
end
redis.call('HSET', key, 'tokens', string.format('%.9f', tokens - count), 'at', string.format('%.6f', math.max(now, at)))
redis.call('EXPIRE', key, math.ceil(burst / rate) + 60)
return '0'
