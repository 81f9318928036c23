// Signs with the signer of CloudFront in the AWS SDK for JavaScript: `node cloudfront.mjs` reads a JSON object with the
// arguments of getSignedUrl or, with `cookies`, of getSignedCookies; its answer is JSON.

import { getSignedCookies, getSignedUrl } from "@aws-sdk/cloudfront-signer";

const { cookies, ...input } = JSON.parse(await new Response(process.stdin).text());
const signed = cookies ? getSignedCookies(input) : getSignedUrl(input);
process.stdout.write(JSON.stringify(signed));
