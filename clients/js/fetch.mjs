// Drives aws4fetch, the small signer of edge runtimes, against a running server. One scenario a run,
// as in client.mjs: `node fetch.mjs SCENARIO BUCKET KEY`.

import { AwsClient } from "aws4fetch";

const [scenario, bucket, key] = process.argv.slice(2);
const endpoint = process.env.AWS_ENDPOINT_URL;
const client = new AwsClient({
  accessKeyId: process.env.AWS_ACCESS_KEY_ID,
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
  service: "s3",
  region: process.env.AWS_REGION,
});
const place = `${endpoint}/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;

const scenarios = {
  // Signed headers, and a query in which URLSearchParams writes a space as `+`.
  async objects() {
    const put = await client.fetch(place, { method: "PUT", body: "from aws4fetch" });
    const got = await client.fetch(place);
    const listing = new URL(`${endpoint}/${bucket}`);
    listing.searchParams.set("list-type", "2");
    listing.searchParams.set("prefix", key);
    const listed = await client.fetch(listing);
    return {
      query: listing.search,
      put: put.status,
      got: await got.text(),
      listed: listed.status,
      keys: [...(await listed.text()).matchAll(/<Key>(.*?)<\/Key>/g)].map((match) => match[1]),
    };
  },

  // Links: made for what the query says of the answer, spaces included.
  async links() {
    const url = new URL(place);
    url.searchParams.set("X-Amz-Expires", "60");
    const put = await client.sign(url, { method: "PUT", aws: { signQuery: true } });
    const stored = await fetch(put, { body: "by a link", method: "PUT" });
    url.searchParams.set("response-content-disposition", 'attachment; filename="a b+c.txt"');
    const get = await client.sign(url, { aws: { signQuery: true } });
    const answer = await fetch(get);
    return {
      put: stored.status,
      status: answer.status,
      got: await answer.text(),
      disposition: answer.headers.get("content-disposition"),
    };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
