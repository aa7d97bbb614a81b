// Package tokens makes the credentials with which the broker calls MCP servers as a person: access tokens that an authorization
// server gives for her, in exchange for the token that she came with.
//
// What she came with is an assertion (assertions.go). It is held here, in memory and until it ends or is revoked, and nothing outside this package
// can read it; inside, it is only ever written into the form that goes to a configured token endpoint. So it cannot reach a server:
// a Source makes a header of what the endpoint gave, and of nothing else.
//
// A Flow (flows.go) is how a token is had: token exchange (RFC 8693), Entra's on-behalf-of, an identity assertion grant (ID-JAG: an
// exchange at her issuer, then RFC 7523 at the server's authorization server), or the broker's own: by client credentials, or for a JWT that
// says what it is. The broker says
// who it is by a secret or by a signed assertion (client.go, RFC 7523). Every request names the resource that the token is for
// (RFC 8707). Where an endpoint is, the configuration says, or an authorization server that the configuration names (discovery.go).
//
// The flow Code (code.go) has another start: the person grants the access herself, in her browser. What she granted is a connection
// (connection.go): a refresh token, sealed under a key of its own and kept beside her tokens under a name of the same making. It is
// used by whoever holds the connection's lock, so once for all brokers, and what comes of it is written only while the lock still
// stands: connecting anew and disconnecting take it away. A refresh token that is refused ends the connection. Who disconnects ends what she
// granted at the authorization server too, where that has a place for it (revocation.go, RFC 7009).
//
// Tokens are kept in the store, sealed, one slot a person (cache.go): the name of a record is a MAC over everything that makes two
// tokens different, her revocation epoch among it, so that nobody is ever given another's, and a new epoch leaves all earlier ones
// behind. One process fetches for all: within a process callers wait for the same fetch, between processes a lock says who fetches,
// and what is put after the lock or the epoch has changed is thrown away. A token is renewed before it ends; a failure is remembered
// for a moment. When the store is away there is no token. What is kept under which name is written down beside it (kept.go), for who
// has to list or forget it.
package tokens
