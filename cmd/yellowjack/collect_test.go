package main

import "testing"

// TestPercent: garbage is four times what lives while that is little, then so many bytes, and never less than what lives.
func TestPercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 64 << 20: 400, 128 << 20: 200, 192 << 20: 133, 256 << 20: 100, 4 << 30: 100} {
		if got := percent(live); got != want {
			t.Errorf("with %d bytes alive it is %d %%, want %d", live, got, want)
		}
	}
}
