// Drives the AWS SDK for JavaScript v3, at its default settings, against a running server.
//
// Endpoint, region, credentials and certificate authorities come from the environment. One
// scenario a run: `node client.mjs SCENARIO BUCKET KEY [FILE]`; its result is one JSON object on
// standard output, which the Python tests judge.

import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { limitedLinks } from "./limits.mjs";

const [scenario, Bucket, Key, file] = process.argv.slice(2);
const client = new S3Client({});

const sha256 = (data) => createHash("sha256").update(data).digest("hex");
const bytes = async (answer) => Buffer.from(await answer.Body.transformToByteArray());

const scenarios = {
  // A browser form: the SDK's own fields, and the file behind them.
  async "post-form"() {
    const { url, fields } = await createPresignedPost(client, {
      Bucket,
      Key,
      Fields: { "x-amz-meta-a": "b", success_action_status: "201" },
      Conditions: [["content-length-range", 1, 10], ["starts-with", "$Content-Type", "text/"]],
      Expires: 600,
    });
    const post = async (data) => {
      const form = new FormData();
      Object.entries(fields).forEach(([name, value]) => form.append(name, value));
      form.append("Content-Type", "text/x-js");
      form.append("file", new Blob([data]), "from js.txt");
      const answer = await fetch(url, { method: "POST", body: form });
      return { status: answer.status, text: await answer.text() };
    };
    const posted = await post("from js");
    const large = await post("from js, too large");
    const stored = /<Key>(.*)<\/Key>/.exec(posted.text)?.[1];
    const got = await client.send(new GetObjectCommand({ Bucket, Key: stored }));
    return {
      names: Object.keys(fields).sort(),
      status: posted.status,
      key: stored,
      text: (await bytes(got)).toString(),
      contentType: got.ContentType,
      metadata: got.Metadata,
      large: [large.status, /<Code>(.*)<\/Code>/.exec(large.text)?.[1]],
    };
  },

  async "put-get"() {
    const Body = "from the SDK for JavaScript";
    const put = await client.send(
      new PutObjectCommand({ Bucket, Key, Body, ContentType: "text/x-js", Metadata: { a: "b" } }),
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    const listed = await client.send(new ListObjectsV2Command({ Bucket }));
    return {
      same: (await bytes(got)).toString() === Body,
      putCrc32: put.ChecksumCRC32,
      headCrc32: head.ChecksumCRC32,
      contentType: got.ContentType,
      metadata: got.Metadata,
      keys: listed.Contents.map((entry) => entry.Key),
    };
  },

  // Links of parts, as a back end would hand them to a page.
  async "part-links"() {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
    const parts = [Buffer.alloc(5 * 1024 * 1024, "a"), Buffer.from("the end")];
    const Parts = [];
    let url;
    for (const [index, body] of parts.entries()) {
      const PartNumber = index + 1;
      const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber });
      url = await getSignedUrl(client, command, { expiresIn: 300 });
      const answer = await fetch(url, { method: "PUT", body });
      if (!answer.ok) return { status: answer.status, text: await answer.text() };
      Parts.push({ PartNumber, ETag: answer.headers.get("etag") });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    return { url, same: sha256(await bytes(got)) === sha256(Buffer.concat(parts)) };
  },

  // A stream of known length: over TLS its checksum travels as a trailer.
  async "put-stream"() {
    const data = readFileSync(file);
    const put = await client.send(
      new PutObjectCommand({
        Bucket,
        Key,
        Body: createReadStream(file),
        ContentLength: data.length,
      }),
    );
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    return { putCrc32: put.ChecksumCRC32, same: sha256(await bytes(got)) === sha256(data) };
  },

  async "copy-delete"() {
    await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
    const CopySource = `${Bucket}/${encodeURIComponent(Key)}`;
    await client.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource }));
    const Objects = [{ Key }, { Key: "copy" }];
    const deleted = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects } }),
    );
    const listed = await client.send(new ListObjectsV2Command({ Bucket }));
    return { deleted: deleted.Deleted.map((entry) => entry.Key).sort(), left: listed.KeyCount };
  },

  async multipart() {
    const upload = new Upload({ client, params: { Bucket, Key, Body: createReadStream(file) } });
    const done = await upload.done();
    const got = await client.send(new GetObjectCommand({ Bucket, Key }));
    return {
      etag: done.ETag,
      same: sha256(await bytes(got)) === sha256(readFileSync(file)),
    };
  },

  // Links at the presigner's defaults, used with fetch as a browser would.
  async links() {
    const putUrl = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key }));
    const body = "a body whose CRC32 is not that of nothing";
    const put = await fetch(putUrl, { method: "PUT", body });
    const getUrl = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }));
    const got = await fetch(getUrl);
    const range = await fetch(getUrl, { headers: { range: "bytes=2-5" } });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
    return {
      putUrl,
      putStatus: put.status,
      putAnswer: put.status === 200 ? "" : await put.text(),
      getStatus: got.status,
      same: (await got.text()) === body,
      rangeStatus: range.status,
      range: await range.text(),
      crc32: head.ChecksumCRC32 ?? null,
      crc64nvme: head.ChecksumCRC64NVME ?? null,
    };
  },

  // What is hoisted into the query acts as if it had been sent as a header.
  async "hoisted-link"() {
    const url = await getSignedUrl(
      client,
      new PutObjectCommand({ Bucket, Key, Metadata: { a: "b c" }, StorageClass: "STANDARD_IA" }),
    );
    const put = await fetch(url, {
      method: "PUT",
      body: "x",
      headers: { "content-type": "text/x-js" },
    });
    const head = await client.send(new HeadObjectCommand({ Bucket, Key }));
    return {
      url,
      status: put.status,
      metadata: head.Metadata,
      storageClass: head.StorageClass,
      contentType: head.ContentType,
    };
  },

  async "limited-links"() {
    const { get, put } = await limitedLinks(client, Bucket, Key);
    const another = (await limitedLinks(client, Bucket, Key)).get;
    const link = (url) => ({ url, headers: [] });
    return { get: link(get), put: link(put), another: link(another) };
  },

  // Server-side encryption is the one x-amz-* header that the presigner leaves to be sent.
  async "encrypted-link"() {
    const url = await getSignedUrl(
      client,
      new PutObjectCommand({ Bucket, Key, ServerSideEncryption: "AES256" }),
    );
    const headers = { "x-amz-server-side-encryption": "AES256" };
    const put = await fetch(url, { method: "PUT", body: "x", headers });
    const without = await fetch(url, { method: "PUT", body: "x" });
    return {
      status: put.status,
      encryption: put.headers.get("x-amz-server-side-encryption"),
      without: without.status,
    };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
