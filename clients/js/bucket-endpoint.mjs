// Signs with the SDK for JavaScript for a bucket that has a host of its own: `node bucket-endpoint.mjs URL KEY` puts an object there
// and prints a link to GET it.

import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const [Bucket, Key] = process.argv.slice(2);
const client = new S3Client({ bucketEndpoint: true });
await client.send(new PutObjectCommand({ Bucket, Key, Body: "from js" }));
process.stdout.write(await getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 }));
