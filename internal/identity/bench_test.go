package identity

import (
	"fmt"
	"testing"
)

// Tokens of the size identity providers make: about 900 bytes.
func benchClaims(i int) map[string]any {
	return map[string]any{
		"sub": fmt.Sprintf("f:1:%036d", i), "email": fmt.Sprintf("u%d@example.com", i), "email_verified": true, "azp": "agent-app",
		"groups": []string{"finance", "comms", "everyone", "building-7"}, "scope": "openid profile email",
		"sid": "0b5d7c0e-7f4e-4f0e-b9c0-0d5a7c0e7f4e", "name": "Sara Example", "preferred_username": "sara",
	}
}

func BenchmarkHit(b *testing.B) {
	corp := newIssuer(b, corpURL, "RS256")
	cfg := corpConfig()
	cfg.EmailDomains = []string{"example.com"}
	v := verifier(b, Config{Issuers: []IssuerConfig{cfg}, Epochs: epochsFunc(func([]string) (Epoch, error) { return Epoch{Number: 1}, nil })}, corp)
	defer v.Close()
	tokens := make([]string, 128)
	for i := range tokens {
		tokens[i] = mint(b, corp, benchClaims(i))
		mustVerify(b, v, tokens[i])
	}
	ctx := b.Context()
	b.SetBytes(int64(len(tokens[0])))
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if p, r := v.Verify(ctx, tokens[i%len(tokens)]); p == nil || r != nil {
				b.Fatal(r)
			}
		}
	})
}

func BenchmarkMiss(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			corp := newIssuer(b, corpURL, alg)
			v := verifier(b, Config{Issuers: []IssuerConfig{corpConfig()}, CacheSize: -1}, corp)
			defer v.Close()
			token := mint(b, corp, benchClaims(1))
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, r := v.Verify(ctx, token); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}

func BenchmarkCredential(b *testing.B) {
	h := headersOf("authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln")
	b.ReportAllocs()
	for b.Loop() {
		if token, r := Credential(h, ""); token == "" || r != nil {
			b.Fatal(r)
		}
	}
}
