// Which mesh config does istiod make of shared mesh config and its own? pkg/config/mesh of Istio says it, as istiod calls
// it: from its defaults, shared mesh config first; a text that cannot be applied counts as far as it was applied.
//
// Reads a JSON array of {"shared": text, "base": text}, either absent, from the file named, and writes one line of JSON
// for each.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"istio.io/istio/pkg/config/mesh"
)

type sources struct {
	Shared *string `json:"shared"`
	Base   *string `json:"base"`
}

type answer struct {
	// Mesh is the merged config, as protobuf's JSON.
	Mesh json.RawMessage `json:"mesh"`
	// Ignored says why a source counts as empty.
	Ignored map[string]string `json:"ignored"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mesh-oracle FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var all []sources
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for _, each := range all {
		merged, err := merge(each)
		if err != nil {
			return err
		}
		if err := out.Encode(merged); err != nil {
			return err
		}
	}
	return nil
}

func merge(from sources) (answer, error) {
	ignored := map[string]string{}
	config := mesh.DefaultMeshConfig()
	for _, source := range []struct {
		name string
		text *string
	}{{"shared", from.Shared}, {"base", from.Base}} {
		if source.text == nil {
			continue
		}
		next, err := mesh.ApplyMeshConfig(*source.text, config)
		if err != nil {
			ignored[source.name] = err.Error()
			continue
		}
		config = next
	}
	text, err := protojson.Marshal(config)
	return answer{Mesh: text, Ignored: ignored}, err
}
