// Links with limits that only Valet keeps: the recipe of docs/limits-of-links.md.

import java.time.Duration;
import java.util.UUID;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.services.s3.presigner.model.PresignedGetObjectRequest;
import software.amazon.awssdk.services.s3.presigner.model.PresignedPutObjectRequest;

final class Limits {
    static PresignedGetObjectRequest download(S3Presigner presigner, String bucket, String key) {
        return presigner.presignGetObject(b -> b.signatureDuration(Duration.ofMinutes(10))
            .getObjectRequest(get -> get.bucket(bucket).key(key).overrideConfiguration(
                o -> o.putRawQueryParameter("x-valet-uses", "1")
                    .putRawQueryParameter("x-valet-id", UUID.randomUUID().toString())
                    .putRawQueryParameter("x-valet-label", "Invoice 7"))));
    }

    static PresignedPutObjectRequest upload(S3Presigner presigner, String bucket, String key) {
        return presigner.presignPutObject(b -> b.signatureDuration(Duration.ofMinutes(10))
            .putObjectRequest(put -> put.bucket(bucket).key(key).overrideConfiguration(
                o -> o.putRawQueryParameter("x-valet-content-length-range", "1,1024"))));
    }

    private Limits() {}
}
