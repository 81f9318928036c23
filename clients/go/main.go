// Drives the AWS SDK for Go v2 and minio-go, at their default settings, against a running server.
//
// Endpoint, region, credentials and certificate authorities come from the environment. One
// scenario a run: `valet-clients SCENARIO BUCKET KEY [FILE]`; its result is one JSON object on
// standard output, which the Python tests judge.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// job is what one run works on.
type job struct {
	bucket, key, file string
}

type result map[string]any

var scenarios = map[string]func(context.Context, job) result{
	"sdk-put-get":       sdkPutGet,
	"sdk-put-file":      sdkPutFile,
	"sdk-upload":        sdkUpload,
	"sdk-algorithms":    sdkAlgorithms,
	"sdk-links":         sdkLinks,
	"sdk-identity-link": sdkIdentityLink,
	"sdk-limited-links": sdkLimitedLinks,
	"sdk-delete":        sdkDelete,
	"minio-put-get":     minioPutGet,
	"minio-stream":      minioStream,
	"minio-checksums":   minioChecksums,
	"minio-links":       minioLinks,
	"minio-copy":        minioCopy,
	"minio-post":        minioPost,
}

func main() {
	arguments := append(os.Args[1:], "", "", "", "")
	run, known := scenarios[arguments[0]]
	if !known {
		fmt.Fprintf(os.Stderr, "no scenario %q\n", arguments[0])
		os.Exit(2)
	}
	found := run(context.Background(), job{arguments[1], arguments[2], arguments[3]})
	must(json.NewEncoder(os.Stdout).Encode(found))
}

// must ends the run when something did not work.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// try is must for what also answers a value.
func try[T any](value T, err error) T {
	must(err)
	return value
}

// text is the string behind a pointer, which the SDK leaves nil where nothing was said.
func text(value *string) any {
	if value == nil {
		return nil
	}
	return *value
}
