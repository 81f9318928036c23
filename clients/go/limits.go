package main

import (
	"context"
	"crypto/rand"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// withLimits signs further query parameters into a link.
func withLimits(limits map[string]string) func(*s3.PresignOptions) {
	addLimits := middleware.BuildMiddlewareFunc("AddLimits", func(
		ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
	) (middleware.BuildOutput, middleware.Metadata, error) {
		if request, ok := in.Request.(*smithyhttp.Request); ok {
			query := request.URL.Query()
			for name, value := range limits {
				query.Set(name, value)
			}
			request.URL.RawQuery = query.Encode()
		}
		return next.HandleBuild(ctx, in)
	})
	return s3.WithPresignClientFromClientOptions(s3.WithAPIOptions(
		func(stack *middleware.Stack) error { return stack.Build.Add(addLimits, middleware.After) },
	))
}

func limitedLinks(ctx context.Context, presigner *s3.PresignClient, bucket, key string) (get, put *v4.PresignedHTTPRequest, err error) {
	once := withLimits(map[string]string{"x-valet-uses": "1", "x-valet-id": rand.Text(), "x-valet-label": "Invoice 7"})
	get, err = presigner.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key}, once)
	if err != nil {
		return nil, nil, err
	}
	small := withLimits(map[string]string{"x-valet-content-length-range": "1,1024"})
	put, err = presigner.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key}, small)
	return get, put, err
}

func sdkLimitedLinks(ctx context.Context, work job) result {
	presigner := s3.NewPresignClient(sdkClient(ctx))
	get, put, err := limitedLinks(ctx, presigner, work.bucket, work.key)
	must(err)
	another, _, err := limitedLinks(ctx, presigner, work.bucket, work.key)
	must(err)
	link := func(made *v4.PresignedHTTPRequest) result {
		headers := [][2]string{}
		for name, values := range made.SignedHeader {
			if name != "Host" {
				headers = append(headers, [2]string{name, values[0]})
			}
		}
		return result{"url": made.URL, "headers": headers}
	}
	return result{"get": link(get), "put": link(put), "another": link(another)}
}
