// What is in a bundle, as go-spiffe understood it?
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

// bundleAnswer holds either an error or a bundle.
type bundleAnswer struct {
	// File is the document that the answer is about, for commands that take several.
	File  string `json:"file,omitempty"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	// Roots are lower-case hex SHA-256 digests of the X.509 authorities' DER bytes, in the document's order.
	Roots []string `json:"roots"`
	// JWTKeys are the key IDs of the JWT authorities, sorted.
	JWTKeys []string `json:"jwtKeys"`
	// Sequence is decimal text, because JavaScript's numbers end at 2^53; empty when the bundle has none.
	Sequence string `json:"sequence,omitempty"`
	// RefreshHintSeconds is absent when the bundle has none.
	RefreshHintSeconds *float64 `json:"refreshHintSeconds,omitempty"`
}

func answerBundle(bundle *spiffebundle.Bundle, err error) bundleAnswer {
	answer := bundleAnswer{Roots: []string{}, JWTKeys: []string{}}
	if err != nil {
		answer.Error = err.Error()
		return answer
	}
	answer.OK = true
	for _, root := range bundle.X509Authorities() {
		digest := sha256.Sum256(root.Raw)
		answer.Roots = append(answer.Roots, hex.EncodeToString(digest[:]))
	}
	answer.JWTKeys = slices.AppendSeq(answer.JWTKeys, maps.Keys(bundle.JWTAuthorities()))
	slices.Sort(answer.JWTKeys)
	if sequence, ok := bundle.SequenceNumber(); ok {
		answer.Sequence = strconv.FormatUint(sequence, 10)
	}
	if hint, ok := bundle.RefreshHint(); ok {
		seconds := hint.Seconds()
		answer.RefreshHintSeconds = &seconds
	}
	return answer
}
