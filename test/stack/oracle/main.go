// What does go-spiffe, the reference implementation, say about a bundle document, an endpoint or an SVID?
//
// Every answer is one line of JSON on stdout, a "no" included; the exit code is 0 whenever there is an answer.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

var commands = map[string]func(args []string) error{
	"fetch":        fetch,
	"parse":        parse,
	"certificates": certificates,
	"verify-x509":  verifyX509,
	"verify-jwt":   verifyJWT,
	"bench-parse":  benchParse,
	"bench-fetch":  benchFetch,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: oracle fetch | parse | certificates | verify-x509 | verify-jwt | bench-parse | bench-fetch, each with -h")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parseFlags reads flags before, between and after the other arguments, which it returns.
func parseFlags(flags *flag.FlagSet, args []string) ([]string, error) {
	var others []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return others, nil
		}
		others = append(others, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// trustDomainFlag adds --trust-domain, whose value is there once the flags are parsed.
func trustDomainFlag(flags *flag.FlagSet) *spiffeid.TrustDomain {
	trustDomain := new(spiffeid.TrustDomain)
	flags.Func("trust-domain", "`name` of the trust domain", func(name string) (err error) {
		*trustDomain, err = spiffeid.TrustDomainFromString(name)
		return err
	})
	return trustDomain
}

func printJSON(answer any) error {
	return json.NewEncoder(os.Stdout).Encode(answer)
}
