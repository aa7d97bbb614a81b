// Package e2e tests Yellowjack from the outside: the real binary with a real Envoy, the real openai SDKs of Python and JavaScript,
// an issuer of tokens (internal/fake/issuer) and a model that obeys whatever it reads (internal/fake/provider).
//
// One gateway serves all tests that leave it whole (shared); a test that breaks something starts its own. A test
// finds its own requests at the provider by a marker in their text. At the end of each gateway its audit, its logs and
// what its clients read are searched for every secret of the run, and it must have exited with 0.
//
// The harness is in harness_test.go (starting and stopping) and client_test.go (asking and reading).
package e2e
