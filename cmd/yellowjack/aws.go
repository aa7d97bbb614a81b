package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/yellowjack/yellowjack/internal/conf"
	"github.com/yellowjack/yellowjack/internal/upstreamauth/aws"
)

// awsSource signs requests with a credential's keys. The signer is made with the first request: the machine's own credentials are
// looked for then, and a check of the configuration asks nobody.
type awsSource struct {
	c *conf.CredentialAWS

	mu     sync.Mutex
	signer *aws.Signer
}

// Authorize signs a request.
func (s *awsSource) Authorize(ctx context.Context, method, host, path string, body []byte) (http.Header, error) {
	signer, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	return signer.Authorize(ctx, method, host, path, body)
}

func (s *awsSource) get(ctx context.Context) (*aws.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signer != nil {
		return s.signer, nil
	}
	config := aws.Config{Region: s.c.Region, Profile: s.c.Profile}
	if s.c.KeyID != "" {
		config.Keys = s.keys
	}
	made, err := aws.New(context.WithoutCancel(ctx), config)
	if err == nil {
		s.signer = made
	}
	return made, err
}

func (s *awsSource) keys() (aws.Keys, error) {
	out := aws.Keys{ID: s.c.KeyID}
	var err error
	if out.Secret, err = s.c.Secret.Reveal(); err != nil {
		return aws.Keys{}, err
	}
	if !s.c.Session.IsZero() {
		out.Session, err = s.c.Session.Reveal()
	}
	return out, err
}
