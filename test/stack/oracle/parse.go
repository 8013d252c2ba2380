// Does go-spiffe accept a bundle document, and how many does it read in a second? SPIFFE Trust Domain and Bundle §4
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/spiffebundle"
)

func parse(args []string) error {
	flags := flag.NewFlagSet("parse", flag.ContinueOnError)
	trustDomain := trustDomainFlag(flags)
	files, err := parseFlags(flags, args)
	if err != nil {
		return err
	}
	for _, file := range files {
		answer := answerBundle(spiffebundle.Load(*trustDomain, file))
		answer.File = file
		if err := printJSON(answer); err != nil {
			return err
		}
	}
	return nil
}

type benchAnswer struct {
	File               string  `json:"file"`
	Bytes              int     `json:"bytes"`
	Documents          int     `json:"documents"`
	Seconds            float64 `json:"seconds"`
	DocumentsPerSecond float64 `json:"documentsPerSecond"`
}

func benchParse(args []string) error {
	flags := flag.NewFlagSet("bench-parse", flag.ContinueOnError)
	trustDomain := trustDomainFlag(flags)
	seconds := flags.Float64("seconds", 1, "how long to parse")
	files, err := parseFlags(flags, args)
	if err != nil {
		return err
	}
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		answer := benchAnswer{File: file, Bytes: len(document)}
		start := time.Now()
		for answer.Seconds < *seconds {
			if _, err := spiffebundle.Parse(*trustDomain, document); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			answer.Documents++
			answer.Seconds = time.Since(start).Seconds()
		}
		answer.DocumentsPerSecond = float64(answer.Documents) / answer.Seconds
		if err := printJSON(answer); err != nil {
			return err
		}
	}
	return nil
}
