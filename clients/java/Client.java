// Drives the AWS SDK for Java 2, at its default settings, against a running server. Endpoint, region
// and credentials come from the environment, certificate authorities from the system property
// javax.net.ssl.trustStore. One scenario a run; its result is a line of JSON on standard output.

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.ChecksumAlgorithm;
import software.amazon.awssdk.services.s3.model.ChecksumMode;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;

public final class Client {
    private final S3Client s3 = S3Client.create();
    private final String bucket;
    private final String key;
    private final String file;

    private Client(String bucket, String key, String file) {
        this.bucket = bucket;
        this.key = key;
        this.file = file;
    }

    public static void main(String[] words) throws Exception {
        Client client = new Client(words[1], words[2], words.length > 3 ? words[3] : null);
        switch (words[0]) {
            case "put-get" -> client.putGet();
            case "put-file" -> client.putFile();
            case "algorithms" -> client.algorithms();
            case "multipart" -> client.multipart();
            case "links" -> client.links();
            case "limited-links" -> client.limitedLinks();
            default -> throw new IllegalArgumentException(words[0]);
        }
    }

    private static void tell(Object... pairs) {
        StringBuilder line = new StringBuilder("{");
        for (int at = 0; at < pairs.length; at += 2) {
            Object value = pairs[at + 1];
            boolean bare = value == null || value instanceof Boolean || value instanceof Number;
            String text = String.valueOf(value).replace("\\", "\\\\").replace("\"", "\\\"");
            line.append(at == 0 ? "" : ",").append('"').append(pairs[at]).append("\":");
            line.append(bare ? text : "\"" + text + "\"");
        }
        System.out.println(line.append("}"));
    }

    private byte[] get(String key) {
        return s3.getObjectAsBytes(b -> b.bucket(bucket).key(key).checksumMode(ChecksumMode.ENABLED))
            .asByteArray();
    }

    private void putGet() {
        String text = "from the SDK for Java";
        var put = s3.putObject(
            b -> b.bucket(bucket).key(key).contentType("text/x-java").metadata(Map.of("origin", "java")),
            RequestBody.fromString(text));
        var head = s3.headObject(b -> b.bucket(bucket).key(key).checksumMode(ChecksumMode.ENABLED));
        s3.putObject(b -> b.bucket(bucket).key(key + ".empty"), RequestBody.empty());
        var listed = s3.listObjectsV2(b -> b.bucket(bucket));
        tell("same", new String(get(key), StandardCharsets.UTF_8).equals(text),
            "put_crc32", put.checksumCRC32(), "crc32", head.checksumCRC32(),
            "content_type", head.contentType(), "origin", head.metadata().get("origin"),
            "empty", get(key + ".empty").length, "keys", listed.keyCount());
    }

    // A stream of known length: its checksum is known only at its end, and travels as a trailer.
    private void putFile() throws Exception {
        byte[] bytes = Files.readAllBytes(Path.of(file));
        try (InputStream stream = new ByteArrayInputStream(bytes)) {
            var put = s3.putObject(b -> b.bucket(bucket).key(key),
                RequestBody.fromContentProvider(() -> new ByteArrayInputStream(bytes), bytes.length, "a/b"));
            tell("same", Arrays.equals(get(key), bytes), "put_crc32", put.checksumCRC32());
        }
    }

    // Every algorithm that the SDK knows and can compute here.
    private void algorithms() {
        List<Object> pairs = new ArrayList<>();
        for (ChecksumAlgorithm algorithm : ChecksumAlgorithm.knownValues()) {
            String name = key + "." + algorithm;
            String outcome = "stored";
            try {
                s3.putObject(b -> b.bucket(bucket).key(name).checksumAlgorithm(algorithm),
                    RequestBody.fromString("summed"));
                get(name);
            } catch (RuntimeException error) {
                outcome = error.getMessage();
            }
            pairs.add(algorithm.toString());
            pairs.add(outcome);
        }
        tell(pairs.toArray());
    }

    private void multipart() throws Exception {
        byte[] bytes = Files.readAllBytes(Path.of(file));
        int size = 5 * 1024 * 1024;
        String upload = s3.createMultipartUpload(
            b -> b.bucket(bucket).key(key).checksumAlgorithm(ChecksumAlgorithm.CRC32)).uploadId();
        List<CompletedPart> parts = new ArrayList<>();
        for (int from = 0; from < bytes.length; from += size) {
            int number = parts.size() + 1;
            byte[] part = Arrays.copyOfRange(bytes, from, Math.min(from + size, bytes.length));
            var put = s3.uploadPart(b -> b.bucket(bucket).key(key).uploadId(upload).partNumber(number),
                RequestBody.fromBytes(part));
            parts.add(CompletedPart.builder().partNumber(number).eTag(put.eTag())
                .checksumCRC32(put.checksumCRC32()).build());
        }
        var done = s3.completeMultipartUpload(
            b -> b.bucket(bucket).key(key).uploadId(upload).multipartUpload(m -> m.parts(parts)));
        tell("same", Arrays.equals(get(key), bytes), "etag", done.eTag());
    }

    private void links() throws Exception {
        try (S3Presigner presigner = S3Presigner.create()) {
            var put = presigner.presignPutObject(b -> b.signatureDuration(Duration.ofMinutes(1))
                .putObjectRequest(p -> p.bucket(bucket).key(key).contentType("text/x-java")
                    .metadata(Map.of("origin", "link"))));
            int putStatus = send(put.url(), "PUT", put.signedHeaders(), "by a link").getResponseCode();
            var get = presigner.presignGetObject(b -> b.signatureDuration(Duration.ofMinutes(1))
                .getObjectRequest(g -> g.bucket(bucket).key(key)
                    .responseContentDisposition("attachment; filename=\"a b.txt\"")));
            var got = send(get.url(), "GET", get.signedHeaders(), null);
            tell("put", putStatus, "get", got.getResponseCode(),
                "got", new String(got.getInputStream().readAllBytes(), StandardCharsets.UTF_8),
                "content_type", got.getContentType(), "origin", got.getHeaderField("x-amz-meta-origin"));
        }
    }

    private void limitedLinks() {
        try (S3Presigner presigner = S3Presigner.create()) {
            var get = Limits.download(presigner, bucket, key);
            var put = Limits.upload(presigner, bucket, key);
            var another = Limits.download(presigner, bucket, key);
            tell("get", get.url(), "put", put.url(), "another", another.url());
        }
    }

    private static HttpURLConnection send(
            URL url, String method, Map<String, List<String>> headers, String body) throws Exception {
        HttpURLConnection connection = (HttpURLConnection) url.openConnection();
        connection.setRequestMethod(method);
        headers.forEach((name, values) -> {
            if (!name.equalsIgnoreCase("host")) {
                values.forEach(value -> connection.addRequestProperty(name, value));
            }
        });
        if (body != null) {
            connection.setDoOutput(true);
            connection.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        }
        connection.getResponseCode();
        return connection;
    }
}
