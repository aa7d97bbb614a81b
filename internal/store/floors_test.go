package store

import (
	"strconv"
	"testing"
	"time"
)

func TestFloors(t *testing.T) {
	f, now := newFloors(), time.Now()
	f.saw("k", 10, now.Add(time.Minute), now)
	f.saw("k", 5, now.Add(time.Minute), now) // an answer that came late
	f.saw("zero", 0, now.Add(time.Minute), now)
	f.saw("gone", 1, now, now)
	if total, left := f.at("k", now.Add(time.Second)); total != 10 || left != 59*time.Second {
		t.Errorf("%d for %s", total, left)
	}
	for _, key := range []string{"zero", "gone", "none"} {
		if total, left := f.at(key, now); total != 0 || left != 0 {
			t.Errorf("%s: %d for %s", key, total, left)
		}
	}
	if total, _ := f.at("k", now.Add(time.Minute)); total != 0 {
		t.Errorf("expired: %d", total)
	}
	f.saw("k", 3, now.Add(3*time.Minute), now.Add(2*time.Minute))
	if total, _ := f.at("k", now.Add(2*time.Minute)); total != 3 {
		t.Errorf("the next window: %d", total)
	}
	if f.forget("k"); f.known("k") != (floor{}) {
		t.Error("not forgotten")
	}
	for i := range 3 * maxFloors {
		f.saw(strconv.Itoa(i), 1, now.Add(time.Minute), now)
		if i == maxFloors/2 {
			f.saw("k", 7, now.Add(time.Minute), now)
		}
		if i == maxFloors {
			if total, _ := f.at("k", now); total != 7 {
				t.Errorf("forgotten with the generation: %d", total)
			}
		}
	}
	if len(f.now)+len(f.old) > 2*maxFloors {
		t.Errorf("%d are kept", len(f.now)+len(f.old))
	}
}
