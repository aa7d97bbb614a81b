-- One batch of operations, as one step. See batch.go for what goes in and out.
--
-- KEYS[1] is the principal's account, the others are those of the operations, in order.
-- ARGV: what the principal may hold, what the batch adds at most (-1: it writes nothing), then each operation's letter and arguments.
--
-- The account is a hash: `used`, the bytes held; one field per span of ten minutes, with the bytes that expire in it; `first`, the
-- first span that is still counted. So a record that expires leaves the account without anybody counting it off.
local OVERHEAD, MEMBER, SPAN = 128, 16, 600000
local SET = '\0s'

local k, a = 1, 2
local function key() k = k + 1; return KEYS[k] end
local function arg() a = a + 1; return ARGV[a] end
local function num() a = a + 1; return tonumber(ARGV[a]) end
local function whole(n) return string.format('%.0f', n) end

local limit, more = tonumber(ARGV[1]), tonumber(ARGV[2])
local account, used, now, changes = KEYS[1], 0, 0, {}

if more >= 0 then
  local clock = redis.call('TIME')
  now = clock[1] * 1000 + math.floor(clock[2] / 1000)
  local span = math.floor(now / SPAN)
  local state = redis.call('HMGET', account, 'used', 'first')
  used = tonumber(state[1] or '0')
  if state[1] and tonumber(state[2]) < span then
    used = 0
    local all = redis.call('HGETALL', account)
    for i = 1, #all, 2 do
      local of = tonumber(all[i])
      if of and of < span then
        redis.call('HDEL', account, all[i])
      elseif of then
        used = used + tonumber(all[i + 1])
      end
    end
    redis.call('HSET', account, 'used', whole(used), 'first', whole(span))
  elseif not state[1] then
    changes.first = span
  end
  if more > 0 and used + more > limit then
    return {err = 'QUOTA of a principal'}
  end
end

-- weigh counts bytes that expire at a time.
local function weigh(bytes, at)
  local span = math.floor(at / SPAN)
  changes[span] = (changes[span] or 0) + bytes
end

-- off counts off what stands under a key.
local function off(name)
  local bytes = redis.call('STRLEN', name)
  if bytes > 0 then
    weigh(-(OVERHEAD + #name + bytes), redis.call('PEXPIRETIME', name))
  end
end

local function put(name, value, ttl)
  off(name)
  redis.call('SET', name, value, 'PX', whole(ttl))
  weigh(OVERHEAD + #name + #value, now + ttl)
end

local function drop(name)
  off(name)
  redis.call('DEL', name)
end

local run = {}

function run.G() -- get
  local record = redis.call('GET', key())
  if arg() == '0' or not record then
    return record
  end
  local length = record:byte(1) * 256 + record:byte(2)
  if length == 0 then
    return {record, false, false}
  end
  local next = record:sub(3, 2 + length)
  return {record, redis.call('GET', next), redis.call('HKEYS', next .. SET)}
end

function run.P() -- put
  local name, value, ttl, absent = key(), arg(), num(), arg()
  if absent == '1' and redis.call('EXISTS', name) == 1 then
    return 0
  end
  put(name, value, ttl)
  return 1
end

function run.T() -- take
  local name = key()
  local value = redis.call('GET', name)
  if value then
    drop(name)
  end
  return value
end

function run.D() -- delete
  local name = key()
  drop(name)
  local set = name .. SET
  local bytes = redis.call('HGET', set, 's')
  if bytes then
    weigh(-tonumber(bytes), redis.call('PEXPIRETIME', set))
    redis.call('DEL', set)
  end
  return 1
end

function run.U() -- union; a set is a hash of `m` and the member, with its own bytes under `s`
  local set, ttl, n = key() .. SET, num(), num()
  local at = now + ttl
  local old = redis.call('HGET', set, 's')
  local bytes = tonumber(old or '0')
  if old then
    local before = redis.call('PEXPIRETIME', set)
    weigh(-bytes, before)
    at = math.max(at, before)
  else
    bytes = OVERHEAD + #set
  end
  for _ = 1, n do
    local m = arg()
    if redis.call('HSETNX', set, m, '') == 1 then
      bytes = bytes + MEMBER + #m - 1
    end
  end
  redis.call('HSET', set, 's', whole(bytes))
  redis.call('PEXPIREAT', set, whole(at))
  weigh(bytes, at)
  return 1
end

function run.M() -- members
  return redis.call('HKEYS', key() .. SET)
end

function run.R() -- reserve
  local once, amount, ttl, n = key(), num(), num(), num()
  local before = redis.call('GET', once)
  local granted = amount >= 0
  local counters = {}
  for i = 1, n do
    local c = {name = key(), limit = num(), ttl = num(), floor = num(), left = num()}
    local value = redis.call('GET', c.name)
    c.stored = tonumber(value or '0')
    c.total = math.max(c.stored, c.floor)
    c.exists = value
    if c.floor > 0 then
      c.ttl = c.left
    end
    granted = granted and amount <= c.limit - c.total
    counters[i] = c
  end
  if before then
    granted = before == '1'
  end
  local out = {granted and 1 or 0, before and 1 or 0}
  for _, c in ipairs(counters) do
    if granted and not before then
      c.total = c.total + amount
    end
    if c.exists then
      if c.total ~= c.stored then
        redis.call('SET', c.name, whole(c.total), 'KEEPTTL')
      end
      c.ttl = redis.call('PTTL', c.name)
    elseif c.total > 0 or granted then
      put(c.name, whole(c.total), c.ttl)
    end
    out[#out + 1] = c.total
    out[#out + 1] = c.ttl
  end
  if not before then
    put(once, granted and '1' or '0', ttl)
  end
  return out
end

function run.L() -- lock
  local name, owner, ttl = key(), arg(), num()
  local held = redis.call('GET', name)
  if held and held ~= owner then
    return 0
  end
  put(name, owner, ttl)
  return 1
end

function run.O() -- put, if owned
  local lock, name, owner, value, ttl = key(), key(), arg(), arg(), num()
  if redis.call('GET', lock) ~= owner then
    return 0
  end
  drop(lock)
  put(name, value, ttl)
  return 1
end

function run.I() -- count up
  local name, by, ttl = key(), num(), num()
  local value = math.max(now, tonumber(redis.call('GET', name) or '0') + by)
  put(name, whole(value), ttl)
  return value
end

-- live lets a key live on. Where that changes little it is left out: readers come twice a second, and every write is copied.
local function live(name, ttl)
  if math.abs(redis.call('PEXPIRETIME', name) - (now + ttl)) > ttl / 10 then
    redis.call('PEXPIREAT', name, whole(now + ttl))
  end
end

-- board is the key of a board, which begins when it is not there, and when it expires. It is a hash: `born`, `last`, `lost`, and
-- each mark's value under `m` and its name; in a sorted set beside it stands each mark's number.
local function board(ttl)
  local name = key() .. '\0b'
  local order = name .. 'o'
  local state = redis.call('HMGET', name, 'born', 'last', 'lost')
  if not state[1] then
    state = {whole(now), whole(now), '0'}
    redis.call('HSET', name, 'born', state[1], 'last', state[2], 'lost', state[3])
    redis.call('DEL', order)
  end
  live(name, ttl)
  return name, order, state
end

-- forget lets go of the marks of a range of a board's order.
local function forget(name, order, state, ...)
  local marks = redis.call('ZRANGE', order, ...)
  for i = 1, #marks, 2 do
    redis.call('ZREM', order, marks[i])
    redis.call('HDEL', name, 'm' .. marks[i])
    state[3] = whole(math.max(tonumber(state[3]), tonumber(marks[i + 1])))
  end
  if #marks > 0 then
    redis.call('HSET', name, 'lost', state[3])
  end
end

function run.B() -- raise a mark
  local mark, value, most, ttl = arg(), num(), num(), num()
  local name, order, state = board(ttl)
  local raised = value > tonumber(redis.call('HGET', name, 'm' .. mark) or '0')
  if raised then
    local number = whole(math.max(now, tonumber(state[2]) + 1))
    redis.call('HSET', name, 'm' .. mark, whole(value), 'last', number)
    redis.call('ZADD', order, number, mark)
  end
  live(order, ttl)
  forget(name, order, state, '-inf', whole(now - ttl), 'BYSCORE', 'LIMIT', '0', '1000', 'WITHSCORES')
  local over = redis.call('ZCARD', order) - most
  if over > 0 then
    forget(name, order, state, '0', whole(over - 1), 'WITHSCORES')
  end
  return raised and 1 or 0
end

function run.W() -- read marks
  local after, limit, ttl = num(), num(), num()
  local name, order, state = board(ttl)
  live(order, ttl)
  local out = {state[1], state[2], state[3], redis.call('ZCARD', order)}
  if tonumber(state[2]) > after then
    local marks = redis.call('ZRANGE', order, '(' .. whole(after), '+inf', 'BYSCORE', 'LIMIT', '0', whole(limit), 'WITHSCORES')
    for i = 1, #marks, 2 do
      out[#out + 1] = marks[i]
      out[#out + 1] = redis.call('HGET', name, 'm' .. marks[i])
      out[#out + 1] = whole(tonumber(marks[i + 1]))
    end
  end
  return out
end

local out = {}
while a < #ARGV do
  out[#out + 1] = run[arg()]()
end

local first = changes.first
changes.first = nil
if next(changes) then
  local last = 0
  if first then
    redis.call('HSET', account, 'first', whole(first))
  end
  for span, bytes in pairs(changes) do
    last = math.max(last, span)
    if bytes ~= 0 then
      used = used + bytes
      if tonumber(redis.call('HINCRBY', account, whole(span), whole(bytes))) <= 0 then
        redis.call('HDEL', account, whole(span))
      end
    end
  end
  redis.call('HSET', account, 'used', whole(math.max(used, 0)))
  local ends = (last + 1) * SPAN
  if redis.call('PEXPIRETIME', account) < ends then
    redis.call('PEXPIREAT', account, whole(ends))
  end
end
return out
