// Does Go read a certificate of mesh config, as istiod does before it hands the list to its proxies? crypto/x509
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
)

type certificateAnswer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// certificates prints an answer for each text of a file that holds a JSON array of PEM texts.
func certificates(args []string) error {
	flags := flag.NewFlagSet("certificates", flag.ContinueOnError)
	files, err := parseFlags(flags, args)
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var texts []string
		if err := json.Unmarshal(content, &texts); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		for _, text := range texts {
			answer := certificateAnswer{OK: true}
			if err := readAnchor([]byte(text)); err != nil {
				answer = certificateAnswer{Error: err.Error()}
			}
			if err := printJSON(answer); err != nil {
				return err
			}
		}
	}
	return nil
}

// readAnchor looks at the first block as istiod does, and at all of them as a Go client does.
func readAnchor(text []byte) error {
	block, rest := pem.Decode(text)
	if block == nil {
		return errors.New("no PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	if !certificate.IsCA {
		return errors.New("not a CA certificate")
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes follow the certificate", len(rest))
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errors.New("no certificate for the pool")
	}
	return nil
}
