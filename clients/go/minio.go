package main

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func minioClient() *minio.Client {
	endpoint := try(url.Parse(os.Getenv("AWS_ENDPOINT_URL")))
	return try(minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewEnvAWS(), Secure: endpoint.Scheme == "https", TrailingHeaders: true,
	}))
}

func minioBytes(ctx context.Context, client *minio.Client, work job) []byte {
	object := try(client.GetObject(ctx, work.bucket, work.key, minio.GetObjectOptions{}))
	defer object.Close()
	return try(io.ReadAll(object))
}

func minioPutGet(ctx context.Context, work job) result {
	client := minioClient()
	body := []byte("from minio-go")
	put := try(client.PutObject(ctx, work.bucket, work.key, bytes.NewReader(body), int64(len(body)),
		minio.PutObjectOptions{ContentType: "text/x-minio", UserMetadata: map[string]string{"origin": "minio"}}))
	stat := try(client.StatObject(ctx, work.bucket, work.key, minio.StatObjectOptions{}))
	keys := []string{}
	for object := range client.ListObjects(ctx, work.bucket, minio.ListObjectsOptions{Recursive: true}) {
		must(object.Err)
		keys = append(keys, object.Key)
	}
	got := minioBytes(ctx, client, work)
	must(client.RemoveObject(ctx, work.bucket, work.key, minio.RemoveObjectOptions{}))
	return result{
		"same": bytes.Equal(got, body), "etags": put.ETag == stat.ETag,
		"content_type": stat.ContentType, "metadata": stat.UserMetadata, "keys": keys,
	}
}

// A body whose length nobody knows beforehand: sent in parts.
func minioStream(ctx context.Context, work job) result {
	client := minioClient()
	file := try(os.Open(work.file))
	defer file.Close()
	put := try(client.PutObject(ctx, work.bucket, work.key, io.MultiReader(file), -1,
		minio.PutObjectOptions{PartSize: 5 << 20}))
	got := minioBytes(ctx, client, work)
	return result{"same": bytes.Equal(got, try(os.ReadFile(work.file))), "etag": put.ETag}
}

// Checksums in a trailer, over plain HTTP signed chunk by chunk.
func minioChecksums(ctx context.Context, work job) result {
	client := minioClient()
	stored := result{}
	for name, kind := range map[string]minio.ChecksumType{
		"CRC32": minio.ChecksumCRC32, "CRC32C": minio.ChecksumCRC32C, "SHA1": minio.ChecksumSHA1,
		"SHA256": minio.ChecksumSHA256, "CRC64NVME": minio.ChecksumCRC64NVME,
	} {
		_, err := client.PutObject(ctx, work.bucket, work.key+"."+name, strings.NewReader("summed"), 6,
			minio.PutObjectOptions{Checksum: kind})
		stored[name] = "stored"
		if err != nil {
			stored[name] = err.Error()
		}
	}
	return stored
}

func minioLinks(ctx context.Context, work job) result {
	client := minioClient()
	put := try(client.PresignedPutObject(ctx, work.bucket, work.key, time.Minute))
	putStatus, putAnswer := send("PUT", put.String(), http.Header{}, "by a link")
	get := try(client.PresignedGetObject(ctx, work.bucket, work.key, time.Minute,
		url.Values{"response-content-disposition": {`attachment; filename="a b.txt"`}}))
	getStatus, got := send("GET", get.String(), http.Header{}, "")
	return result{"put_status": putStatus, "put_answer": putAnswer, "get_status": getStatus, "got": got}
}

func minioCopy(ctx context.Context, work job) result {
	client := minioClient()
	try(client.PutObject(ctx, work.bucket, work.key, strings.NewReader("copied"), 6, minio.PutObjectOptions{}))
	try(client.CopyObject(ctx,
		minio.CopyDestOptions{Bucket: work.bucket, Object: "copy"},
		minio.CopySrcOptions{Bucket: work.bucket, Object: work.key}))
	return result{"got": string(minioBytes(ctx, client, job{work.bucket, "copy", ""}))}
}

func minioPost(ctx context.Context, work job) result {
	client := minioClient()
	policy := minio.NewPostPolicy()
	must(policy.SetBucket(work.bucket))
	must(policy.SetKey(work.key))
	must(policy.SetExpires(time.Now().UTC().Add(time.Hour)))
	must(policy.SetContentLengthRange(1, 100))
	address, fields, err := client.PresignedPostPolicy(ctx, policy)
	must(err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		must(form.WriteField(name, value))
	}
	must2(try(form.CreateFormFile("file", "name.txt")).Write([]byte("posted")))
	must(form.Close())
	status, answer := send("POST", address.String(), http.Header{"Content-Type": {form.FormDataContentType()}}, body.String())
	return result{"status": status, "answer": answer, "got": string(minioBytes(ctx, client, work))}
}

func must2(_ int, err error) { must(err) }
