package extproc

import (
	"hash/maphash"
	"sync"
)

// userSlots counts the exchanges of each principal. It is sharded by the principal's key, so that exchanges of different
// principals rarely meet; a shard is locked for one map operation.
type userSlots struct {
	most   int
	seed   maphash.Seed
	shards [64]userShard
}

type userShard struct {
	mu    sync.Mutex
	count map[string]int
}

func newUserSlots(most int) *userSlots {
	u := &userSlots{most: most, seed: maphash.MakeSeed()}
	for i := range u.shards {
		u.shards[i].count = map[string]int{}
	}
	return u
}

// take claims a slot for key; false when all of its slots are taken. The func gives the slot back and is called once.
func (u *userSlots) take(key string) (release func(), ok bool) {
	shard := &u.shards[maphash.String(u.seed, key)%uint64(len(u.shards))]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.count[key] >= u.most {
		return nil, false
	}
	shard.count[key]++
	return func() {
		shard.mu.Lock()
		defer shard.mu.Unlock()
		if shard.count[key]--; shard.count[key] == 0 {
			delete(shard.count, key)
		}
	}, true
}
