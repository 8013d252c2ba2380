// What does a bundle endpoint give a go-spiffe client? SPIFFE Federation §5.2
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/federation"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

func fetch(args []string) error {
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	trustDomain := trustDomainFlag(flags)
	url := flags.String("url", "", "`URL` of the bundle endpoint")
	profile := flags.String("profile", "https_spiffe", "https_spiffe or https_web")
	endpointID := flags.String("endpoint-id", "", "https_spiffe: `SPIFFE ID` of the endpoint")
	bundlePath := flags.String("bundle", "", "https_spiffe: `file` with the bundle document that verifies the endpoint")
	caPath := flags.String("ca", "", "https_web: `file` with the roots to trust (PEM) instead of the system's")
	timeout := flags.Duration("timeout", 10*time.Second, "deadline of the whole fetch")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}

	auth, err := endpointAuth(*profile, *endpointID, *bundlePath, *caPath)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	return printJSON(answerBundle(federation.FetchBundle(ctx, *trustDomain, *url, auth...)))
}

func endpointAuth(profile, endpointID, bundlePath, caPath string) ([]federation.FetchOption, error) {
	switch profile {
	case "https_spiffe":
		id, err := spiffeid.FromString(endpointID)
		if err != nil {
			return nil, fmt.Errorf("--endpoint-id: %w", err)
		}
		// The endpoint's identity, not the bundle asked for, says which trust domain verifies it.
		bundle, err := spiffebundle.Load(id.TrustDomain(), bundlePath)
		if err != nil {
			return nil, fmt.Errorf("--bundle: %w", err)
		}
		return []federation.FetchOption{federation.WithSPIFFEAuth(bundle, id)}, nil
	case "https_web":
		if caPath == "" {
			return nil, nil
		}
		pem, err := os.ReadFile(caPath)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("--ca: no certificate in " + caPath)
		}
		return []federation.FetchOption{federation.WithWebPKIRoots(roots)}, nil
	}
	return nil, fmt.Errorf("--profile: %q is neither https_spiffe nor https_web", profile)
}
