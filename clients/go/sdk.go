package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func sdkClient(ctx context.Context) *s3.Client {
	settings := try(config.LoadDefaultConfig(ctx))
	// The SDK puts the bucket into a host that is a name, and into the path where it is an address.
	byName := strings.Contains(os.Getenv("AWS_ENDPOINT_URL"), "localhost")
	return s3.NewFromConfig(settings, func(options *s3.Options) {
		if byName {
			options.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(dialLoopback)
		}
	})
}

// dialLoopback finds BUCKET.localhost on this machine, as RFC 6761 wants it, where the resolver does not.
func dialLoopback(transport *http.Transport) {
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		var dialer net.Dialer
		return dialer.DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
}

func sdkBytes(ctx context.Context, client *s3.Client, work job) ([]byte, *s3.GetObjectOutput) {
	got := try(client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &work.bucket, Key: &work.key, ChecksumMode: types.ChecksumModeEnabled,
	}))
	defer got.Body.Close()
	return try(io.ReadAll(got.Body)), got
}

func sdkPutGet(ctx context.Context, work job) result {
	client := sdkClient(ctx)
	body := []byte("from the SDK for Go")
	put := try(client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &work.bucket, Key: &work.key, Body: bytes.NewReader(body),
		ContentType: aws.String("text/x-go"), Metadata: map[string]string{"origin": "go"},
	}))
	got, answer := sdkBytes(ctx, client, work)
	listed := try(client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &work.bucket}))
	keys := []string{}
	for _, object := range listed.Contents {
		keys = append(keys, *object.Key)
	}
	return result{
		"same": bytes.Equal(got, body), "put_crc32": text(put.ChecksumCRC32),
		"crc32": text(answer.ChecksumCRC32), "content_type": text(answer.ContentType),
		"metadata": answer.Metadata, "keys": keys,
	}
}

// A file, and an empty one, whose body the SDK sends with a trailer over TLS.
func sdkPutFile(ctx context.Context, work job) result {
	client := sdkClient(ctx)
	file := try(os.Open(work.file))
	defer file.Close()
	put := try(client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &work.bucket, Key: &work.key, Body: file,
	}))
	got, _ := sdkBytes(ctx, client, work)
	empty := job{work.bucket, work.key + ".empty", ""}
	try(client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &empty.bucket, Key: &empty.key, Body: strings.NewReader(""),
	}))
	nothing, _ := sdkBytes(ctx, client, empty)
	return result{
		"same": bytes.Equal(got, try(os.ReadFile(work.file))), "put_crc32": text(put.ChecksumCRC32),
		"empty": len(nothing),
	}
}

func sdkUpload(ctx context.Context, work job) result {
	client := sdkClient(ctx)
	file := try(os.Open(work.file))
	defer file.Close()
	//nolint:staticcheck // The manager is what most programs still use.
	done := try(manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{
		Bucket: &work.bucket, Key: &work.key, Body: file,
	}))
	got, _ := sdkBytes(ctx, client, work)
	return result{
		"same": bytes.Equal(got, try(os.ReadFile(work.file))), "etag": text(done.ETag),
		"parts": len(done.CompletedParts),
	}
}

// Every algorithm the SDK can compute by itself.
func sdkAlgorithms(ctx context.Context, work job) result {
	client := sdkClient(ctx)
	stored := result{}
	for _, algorithm := range types.ChecksumAlgorithm("").Values() {
		key := work.key + "." + string(algorithm)
		_, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &work.bucket, Key: &key, Body: strings.NewReader("summed"),
			ChecksumAlgorithm: algorithm,
		})
		if err != nil {
			stored[string(algorithm)] = err.Error()
			continue
		}
		head := try(client.GetObjectAttributes(ctx, &s3.GetObjectAttributesInput{
			Bucket: &work.bucket, Key: &key,
			ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesChecksum},
		}))
		stored[string(algorithm)] = string(head.Checksum.ChecksumType)
	}
	return stored
}

// send uses a link just as the presigner said.
func send(method, url string, headers http.Header, body string) (int, string) {
	request := try(http.NewRequest(method, url, strings.NewReader(body)))
	request.Header = headers.Clone()
	answer := try(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	return answer.StatusCode, string(try(io.ReadAll(answer.Body)))
}

func sdkLinks(ctx context.Context, work job) result {
	presigner := s3.NewPresignClient(sdkClient(ctx))
	put := try(presigner.PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &work.bucket, Key: &work.key, ContentType: aws.String("text/x-go"),
		Metadata: map[string]string{"origin": "link"},
	}))
	putStatus, putAnswer := send(put.Method, put.URL, put.SignedHeader, "a body")
	get := try(presigner.PresignGetObject(ctx, &s3.GetObjectInput{
		Bucket: &work.bucket, Key: &work.key,
		ResponseContentDisposition: aws.String(`attachment; filename="a b.txt"`),
	}, s3.WithPresignExpires(time.Minute)))
	getStatus, got := send(get.Method, get.URL, get.SignedHeader, "")
	return result{
		"put_status": putStatus, "put_answer": putAnswer, "get_status": getStatus, "got": got,
	}
}

// A link of STS: who holds it learns who signed it. The SDK puts no X-Amz-Expires into it.
func sdkIdentityLink(ctx context.Context, _ job) result {
	presigner := sts.NewPresignClient(sts.NewFromConfig(try(config.LoadDefaultConfig(ctx))))
	link := try(presigner.PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))
	status, answer := send(link.Method, link.URL, link.SignedHeader, "")
	return result{
		"status": status, "expires": strings.Contains(link.URL, "X-Amz-Expires"), "answer": answer,
	}
}

func sdkDelete(ctx context.Context, work job) result {
	client := sdkClient(ctx)
	targets := []types.ObjectIdentifier{}
	for _, name := range []string{work.key, work.key + " 2", "absent"} {
		if name != "absent" {
			try(client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &work.bucket, Key: &name, Body: strings.NewReader("x"),
			}))
		}
		targets = append(targets, types.ObjectIdentifier{Key: &name})
	}
	gone := try(client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &work.bucket, Delete: &types.Delete{Objects: targets},
	}))
	return result{"deleted": len(gone.Deleted), "errors": len(gone.Errors)}
}
