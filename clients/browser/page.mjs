// What the page of another origin can do. Every function is called by name, with one argument, and
// answers plain data.

import AwsS3 from "@uppy/aws-s3";
import Uppy from "@uppy/core";

/** Bytes that the tests know: 0, 31, 62, and so on, modulo 256. */
function bytes(size) {
  return Uint8Array.from({ length: size }, (_, index) => (index * 31) & 255);
}

function blob(size, type = "") {
  return new Blob([bytes(size)], { type });
}

/** What a page gets to see of an answer. */
async function seen(response) {
  return {
    status: response.status,
    etag: response.headers.get("etag"),
    requestId: response.headers.get("x-amz-request-id"),
    text: await response.text(),
  };
}

/** A request that the browser keeps from the page is an answer too. */
async function ask({ url, method = "GET", size, type, headers, credentials }) {
  const body = size === undefined ? undefined : blob(size, type);
  try {
    return await seen(await fetch(url, { method, body, headers, credentials }));
  } catch (error) {
    return { blocked: error.name };
  }
}

function putWithProgress({ url, size, type }) {
  const request = new XMLHttpRequest();
  const progress = [];
  request.upload.onprogress = ({ loaded, total }) => progress.push([loaded, total]);
  return new Promise((resolve) => {
    request.onloadend = () =>
      resolve({ status: request.status, etag: request.getResponseHeader("ETag"), progress });
    request.open("PUT", url);
    request.send(blob(size, type));
  });
}

/** A browser form, sent by script. The file comes last, as it has to. */
async function postForm({ url, fields, size, type }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", blob(size, type), "from the browser.bin");
  try {
    return await seen(await fetch(url, { method: "POST", body: form }));
  } catch (error) {
    return { blocked: error.name };
  }
}

/** Parts by their links, then what completes the upload of their ETags. */
async function multipart({ parts, complete }) {
  const etags = [];
  for (const { url, size } of parts) {
    const response = await fetch(url, { method: "PUT", body: blob(size) });
    etags.push(response.headers.get("ETag"));
  }
  const part = (etag, index) =>
    `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`;
  const body = `<CompleteMultipartUpload>${etags.map(part).join("")}</CompleteMultipartUpload>`;
  return { etags, completed: await seen(await fetch(complete, { method: "POST", body })) };
}

/** Whether the browser takes what is at a URL for a script. */
function loadScript({ url }) {
  const script = Object.assign(document.createElement("script"), { src: url });
  return new Promise((resolve) => {
    script.onload = () => resolve({ loaded: true, ran: window.ran === true });
    script.onerror = () => resolve({ loaded: false, ran: window.ran === true });
    document.body.append(script);
  });
}

async function json(path, body) {
  const response = await fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** Uppy's S3 plugin; what signs is named by the test, everything else is as it comes. */
async function uppy({ name, size, type, multipart, temporary, s3Endpoint }) {
  const signing = temporary
    ? { s3Endpoint, region: "us-east-1", getCredentials: () => json("/credentials", {}) }
    : { signRequest: (request) => json("/sign", request) };
  const client = new Uppy().use(AwsS3, {
    ...signing,
    ...(multipart === undefined ? {} : { shouldUseMultipart: multipart }),
    generateObjectKey: (file) => file.name,
  });
  const parts = [];
  client.on("s3-multipart:part-uploaded", (_, part) => parts.push(part));
  client.addFile({ name, type, data: blob(size, type) });
  const { successful, failed } = await client.upload();
  return {
    successful: successful.map((file) => file.name),
    failed: failed.map((file) => String(file.error)),
    uploaded: successful.map((file) => file.progress.bytesUploaded),
    parts,
  };
}

window.valet = { ask, putWithProgress, postForm, multipart, loadScript, uppy };
