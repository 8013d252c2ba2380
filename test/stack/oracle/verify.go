// Does go-spiffe accept an SVID, given the bundle of its trust domain? X509-SVID §5, JWT-SVID §5
package main

import (
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

type svidAnswer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	ID    string `json:"id,omitempty"`
}

func answerSVID(id spiffeid.ID, err error) svidAnswer {
	if err != nil {
		return svidAnswer{Error: err.Error()}
	}
	return svidAnswer{OK: true, ID: id.String()}
}

// verifyX509 takes a file with a PEM certificate chain, the leaf first.
func verifyX509(args []string) error {
	bundle, _, files, err := verifyFlags("verify-x509", args)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	var chain [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes)
	}
	id, _, err := x509svid.ParseAndVerify(chain, bundle)
	return printJSON(answerSVID(id, err))
}

// verifyJWT takes a file with a token.
func verifyJWT(args []string) error {
	bundle, audience, files, err := verifyFlags("verify-jwt", args)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(files[0])
	if err != nil {
		return err
	}
	svid, err := jwtsvid.ParseAndValidate(strings.TrimSpace(string(token)), bundle, []string{audience})
	if err != nil {
		return printJSON(answerSVID(spiffeid.ID{}, err))
	}
	return printJSON(answerSVID(svid.ID, nil))
}

func verifyFlags(name string, args []string) (*spiffebundle.Bundle, string, []string, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	trustDomain := trustDomainFlag(flags)
	bundlePath := flags.String("bundle", "", "`file` with the bundle document of --trust-domain")
	audience := flags.String("audience", "", "JWT-SVID only: the audience it must be for")
	files, err := parseFlags(flags, args)
	if err != nil {
		return nil, "", nil, err
	}
	if len(files) != 1 {
		return nil, "", nil, errors.New("name one file with an SVID")
	}
	bundle, err := spiffebundle.Load(*trustDomain, *bundlePath)
	if err != nil {
		return nil, "", nil, fmt.Errorf("--bundle: %w", err)
	}
	return bundle, *audience, files, nil
}
