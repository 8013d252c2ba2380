// How many answers a second does a bundle endpoint give to a Go client? SPIFFE Federation §5.2
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type loadAnswer struct {
	Requests          int     `json:"requests"`
	Seconds           float64 `json:"seconds"`
	RequestsPerSecond float64 `json:"requestsPerSecond"`
	P50Ms             float64 `json:"p50Ms"`
	P99Ms             float64 `json:"p99Ms"`
	// Statuses counts the answers by status code.
	Statuses map[string]int `json:"statuses"`
}

// request is what every client of a load asks for, again and again.
type request struct {
	client *http.Client
	url    string
	// etag is of the document that the client holds; empty when it asks unconditionally.
	etag string
}

// sample is one answer.
type sample struct {
	status   int
	duration time.Duration
}

func benchFetch(args []string) error {
	flags := flag.NewFlagSet("bench-fetch", flag.ContinueOnError)
	url := flags.String("url", "", "`URL` of the bundle endpoint")
	connections := flags.Int("connections", 8, "clients that ask at once")
	keepAlive := flags.Bool("keep-alive", false, "one connection a client instead of one a request")
	conditional := flags.Bool("conditional", false, "ask with the ETag of the first answer, if it has one")
	seconds := flags.Float64("seconds", 1, "how long to ask")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}

	load := request{client: loadClient(*keepAlive, *connections), url: *url}
	if *conditional {
		etag, err := currentETag(load)
		if err != nil {
			return err
		}
		load.etag = etag
	}
	start := time.Now()
	samples, err := ask(load, *connections, start.Add(time.Duration(*seconds*float64(time.Second))))
	if err != nil {
		return err
	}
	return printJSON(summary(samples, time.Since(start)))
}

// loadClient does not look at who answers, which would cost the generator more than the endpoint. It never resumes a
// TLS session, as clients of bundle endpoints must not, and speaks HTTP/1.1 with either endpoint.
func loadClient(keepAlive bool, connections int) *http.Client {
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives:   !keepAlive,
			DisableCompression:  true,
			MaxIdleConnsPerHost: connections,
			TLSClientConfig:     &tls.Config{InsecureSkipVerify: true},
		},
	}
}

func currentETag(load request) (string, error) {
	response, err := load.client.Get(load.url)
	if err != nil {
		return "", err
	}
	return response.Header.Get("ETag"), response.Body.Close()
}

// ask ends at the deadline, or with the first failure.
func ask(load request, connections int, deadline time.Time) ([]sample, error) {
	type result struct {
		samples []sample
		err     error
	}
	results := make(chan result)
	for range connections {
		go func() {
			var samples []sample
			for time.Now().Before(deadline) {
				next, err := load.send()
				if err != nil {
					results <- result{err: err}
					return
				}
				samples = append(samples, next)
			}
			results <- result{samples: samples}
		}()
	}
	var samples []sample
	var failures []error
	for range connections {
		next := <-results
		samples = append(samples, next.samples...)
		failures = append(failures, next.err)
	}
	return samples, errors.Join(failures...)
}

func (load request) send() (sample, error) {
	start := time.Now()
	message, err := http.NewRequest(http.MethodGet, load.url, nil)
	if err != nil {
		return sample{}, err
	}
	if load.etag != "" {
		message.Header.Set("If-None-Match", load.etag)
	}
	response, err := load.client.Do(message)
	if err != nil {
		return sample{}, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return sample{}, err
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusNotModified {
		return sample{}, fmt.Errorf("%s: status %d", load.url, response.StatusCode)
	}
	return sample{status: response.StatusCode, duration: time.Since(start)}, nil
}

func summary(samples []sample, elapsed time.Duration) loadAnswer {
	answer := loadAnswer{Requests: len(samples), Seconds: elapsed.Seconds(), Statuses: map[string]int{}}
	if len(samples) == 0 {
		return answer
	}
	for _, each := range samples {
		answer.Statuses[strconv.Itoa(each.status)]++
	}
	slices.SortFunc(samples, func(a, b sample) int { return int(a.duration - b.duration) })
	quantile := func(share float64) float64 {
		return float64(samples[int(share*float64(len(samples)-1))].duration.Microseconds()) / 1000
	}
	answer.RequestsPerSecond = float64(answer.Requests) / answer.Seconds
	answer.P50Ms, answer.P99Ms = quantile(0.5), quantile(0.99)
	return answer
}
