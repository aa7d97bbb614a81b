//go:build race

package e2e

// With the race detector on, the gateway is built with it too: `make test` then looks for races under real traffic.
const raceFlag = "-race"
