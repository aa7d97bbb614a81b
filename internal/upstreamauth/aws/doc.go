// Package aws signs requests to AWS (Signature Version 4), for Bedrock.
//
// A Signer signs what goes up, after the last edit: the method, the host, the path and the query as Envoy will send them, and
// the body's hash. The path is taken as it stands on the wire and escaped once more, as the signature wants it (a model's
// "%3A" is signed as "%253A"), and is never cleaned: one that AWS would read otherwise than it is written is an error. Of the
// headers the host is signed and those that the Signer makes; what Envoy adds besides does not count. A header x-amz-* that
// the Signer did not make must not go up: AWS refuses a request that has one that is not signed.
//
// The keys are the configuration's, or come of the SDK's own chain: environment, shared profile (with roles, SSO, a
// process), web identity, the container's or the machine's role. The SDK's cache keeps them and fetches once for all that wait;
// after three quarters of their life others are fetched in the background, and when that fails those that are there sign until
// they end. A request waits only while there are none. No error says what a server of credentials answered.
package aws
