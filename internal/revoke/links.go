package revoke

// What is kept for a principal elsewhere, such as tokens for servers, is kept under the number of its key alone: an address or a
// session need not stand in each of its tokens. So a revocation by another handle becomes one of the keys that were seen with it,
// by every process that saw them together, and by the first that sees them together again.

// links are the keys of other handles.
type links map[handle]map[handle]struct{}

// maxLinks is how many handles have their keys remembered.
const maxLinks = 100_000

// link notes what a token says belongs together, and tells whether the key has to be raised.
func (s *Service) link(handles []string) bool {
	key := s.handle(handles[0])
	others := make([]handle, 0, 2)
	for _, name := range handles[1:] {
		others = append(others, s.handle(name))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, other := range others {
		if s.links[other] == nil {
			for old := range s.links { // any
				if len(s.links) < maxLinks {
					break
				}
				delete(s.links, old)
			}
			s.links[other] = map[handle]struct{}{}
		}
		s.links[other][key] = struct{}{}
		for _, clock := range []byte{byOwn, byIssuer} {
			if m := other.mark(clock); s.marks[m].value > 0 {
				s.raiseKey(m, key, s.marks[m].value)
			}
		}
	}
	return len(s.keys) > 0
}

// raiseKey has the mark of a key raised like one of another of its handles, at the next look; s.mu is held.
func (s *Service) raiseKey(of markName, key handle, value int64) {
	m := key.mark(of[len(of)-1])
	if s.marks[m].value < value {
		s.keys[m] = max(s.keys[m], value)
	}
}

// waits tells whether something is to be raised in this look.
func (s *Service) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m, value := range s.keys {
		s.pending[m] = max(s.pending[m], value)
		delete(s.keys, m)
	}
	return len(s.pending) > 0
}
