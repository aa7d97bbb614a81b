//go:build race

package quarantine_test

// slow is how much slower this build may be.
const slow = 10
