// Links with limits that only Valet keeps, made by the SDK for JavaScript: the recipe of docs/limits-of-links.md.

import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

function limited(command, limits) {
  const addLimits = (next) => (call) => {
    Object.assign(call.request.query, limits);
    return next(call);
  };
  command.middlewareStack.add(addLimits, { step: "build", name: "addLimits" });
  return command;
}

async function limitedLinks(client, Bucket, Key) {
  const name = crypto.randomUUID();
  const once = { "x-valet-uses": "1", "x-valet-id": name, "x-valet-label": "Invoice 7" };
  const small = { "x-valet-content-length-range": "1,1024" };
  return {
    get: await getSignedUrl(client, limited(new GetObjectCommand({ Bucket, Key }), once)),
    put: await getSignedUrl(client, limited(new PutObjectCommand({ Bucket, Key }), small)),
  };
}

export { limitedLinks };
