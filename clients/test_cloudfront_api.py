"""CloudFront's control API with boto3 and the aws command line, and the calls that Terraform's provider makes."""

import json
import subprocess
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from harness import AWS_V2, ROOT_KEY, client_environment
from identities import Valet, exports
from people import ACCOUNT, allow, client, deny, make_user

KEYS = Path(__file__).parent.parent / "crates/presign/tests/vectors/cloudfront"
RSA = (KEYS / "cf-rsa.pub.pem").read_text()
EC = (KEYS / "cf-ec.pub.pem").read_text()
CACHED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
NOT_CACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
NO_DISTRIBUTION = "E0000000000000"


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def cloudfront(server):
    return client(server, "cloudfront")


@pytest.fixture
def name():
    return f"n-{uuid.uuid4().hex[:20]}"


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def status_of(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def config(reference, **more):
    """The least that a distribution is made of."""
    return {
        "CallerReference": reference,
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [{
            "Id": "o", "DomainName": "media.s3.us-east-1.amazonaws.com",
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }]},
        "DefaultCacheBehavior": {
            "TargetOriginId": "o", "ViewerProtocolPolicy": "allow-all", "CachePolicyId": CACHED,
        },
        **more,
    }


def behaving(reference, **more):
    made = config(reference)
    made["DefaultCacheBehavior"] |= more
    return made


def make_key(cloudfront, name, pem=RSA):
    wanted = {"CallerReference": name, "Name": name, "EncodedKey": pem}
    return cloudfront.create_public_key(PublicKeyConfig=wanted)["PublicKey"]["Id"]


def make_group(cloudfront, name, *keys):
    wanted = {"Name": name, "Items": list(keys)}
    return cloudfront.create_key_group(KeyGroupConfig=wanted)["KeyGroup"]["Id"]


def make(cloudfront, wanted):
    return cloudfront.create_distribution(DistributionConfig=wanted)["Distribution"]["Id"]


def remove(cloudfront, id):
    """Disables a distribution, and deletes it."""
    held = cloudfront.get_distribution_config(Id=id)
    held["DistributionConfig"]["Enabled"] = False
    updated = cloudfront.update_distribution(
        Id=id, IfMatch=held["ETag"], DistributionConfig=held["DistributionConfig"])
    cloudfront.delete_distribution(Id=id, IfMatch=updated["ETag"])


def test_public_keys_from_first_to_last(cloudfront, name):
    wanted = {"CallerReference": name, "Name": name, "EncodedKey": RSA, "Comment": "one"}
    made = cloudfront.create_public_key(PublicKeyConfig=wanted)
    id = made["PublicKey"]["Id"]
    assert len(id) == 14 and id[0] == "K"
    assert made["Location"].endswith(f"/2020-05-31/public-key/{id}")
    assert made["PublicKey"]["PublicKeyConfig"] == wanted
    got = cloudfront.get_public_key_config(Id=id)
    assert (got["PublicKeyConfig"], got["ETag"]) == (wanted, made["ETag"])
    other = {**wanted, "CallerReference": name + "2"}
    assert refused(cloudfront.create_public_key, PublicKeyConfig=other)[0] == "PublicKeyAlreadyExists"
    bad = {**wanted, "Name": name + "3", "CallerReference": name + "3", "EncodedKey": "none"}
    assert refused(cloudfront.create_public_key, PublicKeyConfig=bad)[0] == "InvalidArgument"

    changed = cloudfront.update_public_key(
        Id=id, IfMatch=made["ETag"], PublicKeyConfig={**wanted, "Comment": "two"})
    assert changed["ETag"] != made["ETag"]
    assert changed["PublicKey"]["PublicKeyConfig"]["Comment"] == "two"
    assert refused(
        cloudfront.update_public_key, Id=id, IfMatch=changed["ETag"],
        PublicKeyConfig={**wanted, "EncodedKey": EC},
    )[0] == "CannotChangeImmutablePublicKeyFields"
    assert id in [key["Id"] for key in cloudfront.list_public_keys()["PublicKeyList"]["Items"]]

    group = make_group(cloudfront, name, id)
    assert refused(cloudfront.delete_public_key, Id=id, IfMatch=changed["ETag"])[0] == "PublicKeyInUse"
    etag = cloudfront.get_key_group(Id=group)["ETag"]
    cloudfront.delete_key_group(Id=group, IfMatch=etag)
    cloudfront.delete_public_key(Id=id, IfMatch=changed["ETag"])
    assert refused(cloudfront.get_public_key, Id=id)[0] == "NoSuchPublicKey"


def test_states_are_named(cloudfront, name):
    id = make(cloudfront, config(name))
    held = cloudfront.get_distribution_config(Id=id)
    first, wanted = held["ETag"], held["DistributionConfig"]
    assert len(first) == 14 and first[0] == "E"
    wanted["Comment"] = "changed"
    second = cloudfront.update_distribution(Id=id, IfMatch=first, DistributionConfig=wanted)["ETag"]
    assert second != first
    stale = {"Id": id, "IfMatch": first}
    assert refused(cloudfront.update_distribution, DistributionConfig=wanted, **stale)[0] == "PreconditionFailed"
    assert status_of(cloudfront.delete_distribution, **stale) == 412
    assert refused(cloudfront.delete_distribution, Id=id)[0] == "InvalidIfMatchVersion"
    assert refused(cloudfront.delete_distribution, Id=id, IfMatch=second)[0] == "DistributionNotDisabled"
    wanted["CallerReference"] = name + "2"
    assert refused(
        cloudfront.update_distribution, Id=id, IfMatch=second, DistributionConfig=wanted
    )[0] == "IllegalUpdate"
    remove(cloudfront, id)
    assert refused(cloudfront.get_distribution, Id=id) == (
        "NoSuchDistribution", "The specified distribution does not exist.")


def test_a_distribution_tells_who_is_trusted(cloudfront, name):
    key = make_key(cloudfront, name)
    group = make_group(cloudfront, name, key)
    trusted = {"Enabled": True, "Quantity": 1, "Items": [group]}
    id = make(cloudfront, behaving(name, TrustedKeyGroups=trusted))
    cloudfront.get_waiter("distribution_deployed").wait(
        Id=id, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    shown = cloudfront.get_distribution(Id=id)["Distribution"]
    assert shown["ARN"] == f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"
    assert (shown["Status"], shown["InProgressInvalidationBatches"]) == ("Deployed", 0)
    active = shown["ActiveTrustedKeyGroups"]
    assert (active["Enabled"], active["Quantity"]) == (True, 1)
    assert active["Items"][0]["KeyGroupId"] == group
    assert active["Items"][0]["KeyPairIds"]["Items"] == [key]
    listed = cloudfront.list_distributions_by_key_group(KeyGroupId=group)["DistributionIdList"]
    assert listed["Items"] == [id]
    etag = cloudfront.get_key_group(Id=group)["ETag"]
    assert refused(cloudfront.delete_key_group, Id=group, IfMatch=etag)[0] == "ResourceInUse"
    remove(cloudfront, id)
    cloudfront.delete_key_group(Id=group, IfMatch=etag)


def test_callers_may_repeat_themselves(cloudfront, name):
    id = make(cloudfront, config(name))
    code, message = refused(cloudfront.create_distribution, DistributionConfig=config(name))
    assert code == "DistributionAlreadyExists" and id in message
    remove(cloudfront, id)


def test_invalidations(cloudfront, name):
    id = make(cloudfront, config(name))
    batch = {"CallerReference": name, "Paths": {"Quantity": 2, "Items": ["/a/*", "/b"]}}
    made = cloudfront.create_invalidation(DistributionId=id, InvalidationBatch=batch)["Invalidation"]
    assert made["InvalidationBatch"] == batch and made["Id"][0] == "I"
    cloudfront.get_waiter("invalidation_completed").wait(
        DistributionId=id, Id=made["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    again = cloudfront.create_invalidation(DistributionId=id, InvalidationBatch=batch)["Invalidation"]
    assert again["Id"] == made["Id"]
    other = {**batch, "Paths": {"Quantity": 1, "Items": ["/c"]}}
    assert refused(
        cloudfront.create_invalidation, DistributionId=id, InvalidationBatch=other
    )[0] == "InvalidArgument"
    second = {**other, "CallerReference": name + "2"}
    newest = cloudfront.create_invalidation(DistributionId=id, InvalidationBatch=second)["Invalidation"]
    pages = cloudfront.get_paginator("list_invalidations").paginate(
        DistributionId=id, PaginationConfig={"PageSize": 1})
    listed = [item["Id"] for page in pages for item in page["InvalidationList"]["Items"]]
    assert listed == [newest["Id"], made["Id"]]
    for paths, code in [
        (["a"], "InvalidArgument"), (["/a*b"], "InvalidArgument"), ([], "InvalidArgument"),
        ([f"/{number}" for number in range(3001)], "BatchTooLarge"),
    ]:
        bad = {"CallerReference": name + "3", "Paths": {"Quantity": len(paths), "Items": paths}}
        assert refused(
            cloudfront.create_invalidation, DistributionId=id, InvalidationBatch=bad
        )[0] == code, paths[:1]
    assert refused(
        cloudfront.create_invalidation, DistributionId=NO_DISTRIBUTION, InvalidationBatch=batch
    )[0] == "NoSuchDistribution"
    assert refused(
        cloudfront.get_invalidation, DistributionId=id, Id="I0000000000000"
    )[0] == "NoSuchInvalidation"
    remove(cloudfront, id)


def test_lists_have_pages(cloudfront, name):
    made = {make_key(cloudfront, f"{name}-{number}") for number in range(3)}
    seen, marker = [], {}
    while True:
        page = cloudfront.list_public_keys(MaxItems="1", **marker)["PublicKeyList"]
        seen += [key["Id"] for key in page.get("Items", [])]
        assert page["Quantity"] <= 1
        if not page.get("NextMarker"):
            break
        marker = {"Marker": page["NextMarker"]}
    assert made <= set(seen) and len(seen) == len(set(seen))
    assert refused(cloudfront.list_public_keys, MaxItems="none")[0] == "InvalidArgument"


def test_tags(cloudfront, name):
    wanted = {
        "DistributionConfig": config(name),
        "Tags": {"Items": [{"Key": "team", "Value": "media"}]},
    }
    made = cloudfront.create_distribution_with_tags(DistributionConfigWithTags=wanted)["Distribution"]
    arn = made["ARN"]

    def tags():
        items = cloudfront.list_tags_for_resource(Resource=arn)["Tags"].get("Items", [])
        return {item["Key"]: item["Value"] for item in items}

    assert tags() == {"team": "media"}
    cloudfront.tag_resource(Resource=arn, Tags={"Items": [{"Key": "a", "Value": "1"}]})
    assert tags() == {"team": "media", "a": "1"}
    cloudfront.untag_resource(Resource=arn, TagKeys={"Items": ["team"]})
    assert tags() == {"a": "1"}
    missing = arn.replace(made["Id"], NO_DISTRIBUTION)
    assert refused(cloudfront.list_tags_for_resource, Resource=missing)[0] == "NoSuchResource"
    remove(cloudfront, made["Id"])


def test_managed_policies_are_there_and_stay(cloudfront):
    rows = [
        (cloudfront.list_cache_policies, "CachePolicyList", "CachePolicy", CACHED, "CachingOptimized"),
        (cloudfront.list_origin_request_policies, "OriginRequestPolicyList", "OriginRequestPolicy",
         "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf", "CORS-S3Origin"),
        (cloudfront.list_response_headers_policies, "ResponseHeadersPolicyList",
         "ResponseHeadersPolicy", "67f7725c-6f97-4210-82d7-5512b31e9d03", "SecurityHeadersPolicy"),
    ]
    for call, list_name, kind, id, wanted in rows:
        items = call(Type="managed")[list_name]["Items"]
        assert {item["Type"] for item in items} == {"managed"}
        names = {item[kind]["Id"]: item[kind][f"{kind}Config"]["Name"] for item in items}
        assert names[id].removeprefix("Managed-") == wanted
    held = cloudfront.get_cache_policy(Id=CACHED)
    changed = held["CachePolicy"]["CachePolicyConfig"]
    given = {"Id": CACHED, "IfMatch": held["ETag"]}
    assert refused(cloudfront.update_cache_policy, CachePolicyConfig=changed, **given)[0] == "IllegalUpdate"
    assert refused(cloudfront.delete_cache_policy, **given)[0] == "IllegalDelete"


def origin(**more):
    first = config("")["Origins"]["Items"][0]
    return {"Quantity": 1, "Items": [{**first, **more}]}


SHIELD = {"Enabled": True, "OriginShieldRegion": "us-east-1"}
ONE_HEADER = {"Quantity": 1, "Items": [{"HeaderName": "a", "HeaderValue": "b"}]}
FUNCTION = {"FunctionARN": "arn:aws:cloudfront::000000000000:function/f", "EventType": "viewer-request"}
LOGGING = {"Enabled": True, "IncludeCookies": False, "Bucket": "b", "Prefix": ""}
ACM = {
    "ACMCertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x",
    "SSLSupportMethod": "sni-only",
}
GEOGRAPHY = {"GeoRestriction": {"RestrictionType": "whitelist", "Quantity": 1, "Items": ["DE"]}}
FORWARDED = {"QueryString": False, "Cookies": {"Forward": "none"}}
ALL_COOKIES = {"QueryString": False, "Cookies": {"Forward": "all"}}

# What a distribution cannot do here, or cannot be: the change, the code, and words of the message.
REFUSED = [
    (lambda n: config(n, Origins=origin(DomainName="example.com")), "InvalidOrigin", "no bucket"),
    (lambda n: config(n, Origins=origin(S3OriginConfig={"OriginAccessIdentity": "origin-access-identity/cloudfront/E1"})),
     "InvalidArgument", "origin access control"),
    (lambda n: config(n, Origins=origin(OriginShield=SHIELD)), "InvalidArgument", "shield"),
    (lambda n: config(n, Origins=origin(CustomHeaders=ONE_HEADER)), "InvalidArgument", "CustomHeaders"),
    (lambda n: config(n, Origins=origin(OriginAccessControlId="E0000000000000")), "InvalidOriginAccessControl", ""),
    (lambda n: config(n, Origins=origin(OriginPath="no-slash")), "InvalidArgument", "OriginPath"),
    (lambda n: config(n, Origins={"Quantity": 2, "Items": origin()["Items"]}), "InconsistentQuantities", ""),
    (lambda n: behaving(n, TargetOriginId="other"), "NoSuchOrigin", ""),
    (lambda n: behaving(n, CachePolicyId=str(uuid.uuid4())), "NoSuchCachePolicy", ""),
    (lambda n: behaving(n, ForwardedValues=FORWARDED, MinTTL=0), "InvalidArgument", "one of"),
    (lambda n: behaving(n, FunctionAssociations={"Quantity": 1, "Items": [FUNCTION]}), "InvalidArgument", "functions"),
    (lambda n: behaving(n, TrustedSigners={"Enabled": True, "Quantity": 1, "Items": ["self"]}),
     "InvalidArgument", "TrustedKeyGroups"),
    (lambda n: behaving(n, TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": ["none"]}),
     "TrustedKeyGroupDoesNotExist", ""),
    (lambda n: behaving(n, SmoothStreaming=True), "InvalidArgument", "SmoothStreaming"),
    (lambda n: behaving(n, FieldLevelEncryptionId="C1"), "InvalidArgument", "FieldLevelEncryptionId"),
    (lambda n: behaving(n, GrpcConfig={"Enabled": True}), "InvalidArgument", "gRPC"),
    (lambda n: config(n, Logging=LOGGING), "InvalidArgument", ""),
    (lambda n: config(n, ViewerCertificate=ACM), "InvalidArgument", ""),
    (lambda n: config(n, Restrictions=GEOGRAPHY), "InvalidArgument", "RestrictionType"),
    (lambda n: config(n, WebACLId="arn:aws:wafv2:::x"), "InvalidArgument", "WebACLId"),
    (lambda n: config(n, HttpVersion="http3"), "InvalidArgument", "HttpVersion"),
    (lambda n: config(n, Staging=True), "InvalidArgument", "Staging"),
    (lambda n: config(n, DefaultRootObject="/index.html"), "InvalidDefaultRootObject", ""),
    (lambda n: config(n, Aliases={"Quantity": 1, "Items": ["*.acme.example"]}), "InvalidArgument", "named whole"),
    (lambda n: config(n, Aliases={"Quantity": 1, "Items": ["a.localhost"]}), "CNAMEAlreadyExists", "this server itself"),
    (lambda n: config(n, Aliases={"Quantity": 101, "Items": [f"h{i}.acme.example" for i in range(101)]}),
     "TooManyDistributionCNAMEs", ""),
]


@pytest.mark.parametrize("row", REFUSED, ids=[f"{index}-{row[1]}" for index, row in enumerate(REFUSED)])
def test_what_a_distribution_cannot_be_is_refused(cloudfront, name, row):
    wanted, code, words = row
    told = refused(cloudfront.create_distribution, DistributionConfig=wanted(name))
    assert told[0] == code and words.lower() in told[1].lower(), told


def test_cookies_are_no_part_of_the_key(cloudfront, name):
    wanted = behaving(name, ForwardedValues=ALL_COOKIES, MinTTL=0)
    del wanted["DefaultCacheBehavior"]["CachePolicyId"]
    code, message = refused(cloudfront.create_distribution, DistributionConfig=wanted)
    assert code == "InvalidArgument" and "Cookies.Forward must be none" in message


def test_an_alias_leads_to_one_distribution(cloudfront, name):
    aliases = {"Quantity": 1, "Items": [f"{name}.acme.example"]}
    id = make(cloudfront, config(name, Aliases=aliases))
    other = config(name + "2", Aliases=aliases)
    assert refused(cloudfront.create_distribution, DistributionConfig=other)[0] == "CNAMEAlreadyExists"
    remove(cloudfront, id)
    remove(cloudfront, make(cloudfront, other))


def test_permissions(server, cloudfront, name):
    id = make(cloudfront, config(name))
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"
    key = make_user(server, name, allow("cloudfront:GetDistribution", arn))
    theirs = client(server, "cloudfront", key)
    assert theirs.get_distribution(Id=id)["Distribution"]["Id"] == id
    code, message = refused(theirs.get_distribution_config, Id=id)
    assert code == "AccessDenied" and message.startswith(
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: "
        f"cloudfront:GetDistributionConfig on resource: {arn}"), message
    # Whether there is such a distribution is told only to those who may ask.
    assert refused(theirs.get_distribution, Id=NO_DISTRIBUTION)[0] == "AccessDenied"
    assert refused(theirs.list_distributions)[0] == "AccessDenied"

    key = make_user(
        server, name + "2", allow("cloudfront:*"), deny("cloudfront:CreateInvalidation", arn))
    theirs = client(server, "cloudfront", key)
    assert theirs.list_distributions()["DistributionList"]["Quantity"] >= 1
    batch = {"CallerReference": name, "Paths": {"Quantity": 1, "Items": ["/*"]}}
    assert refused(
        theirs.create_invalidation, DistributionId=id, InvalidationBatch=batch
    )[0] == "AccessDenied"

    # What the tags of a call may be.
    tagged = allow(
        "cloudfront:TagResource", "*",
        Condition={"StringEquals": {"aws:RequestTag/team": "media"}})
    theirs = client(server, "cloudfront", make_user(server, name + "3", tagged))
    theirs.tag_resource(Resource=arn, Tags={"Items": [{"Key": "team", "Value": "media"}]})
    assert refused(
        theirs.tag_resource, Resource=arn, Tags={"Items": [{"Key": "team", "Value": "other"}]}
    )[0] == "AccessDenied"

    # Who may make a distribution and may not tag makes one without tags.
    key = make_user(
        server, name + "4", allow("cloudfront:CreateDistribution"), deny("cloudfront:TagResource", "*"))
    theirs = client(server, "cloudfront", key)
    tags = {"Items": [{"Key": "team", "Value": "media"}]}
    wanted = {"DistributionConfig": config(name + "4"), "Tags": tags}
    code, message = refused(theirs.create_distribution_with_tags, DistributionConfigWithTags=wanted)
    assert code == "AccessDenied" and "cloudfront:TagResource" in message, message
    remove(cloudfront, make(theirs, config(name + "4")))
    remove(cloudfront, id)


def test_another_account_has_none_of_it(server, cloudfront, tmp_path, name):
    key = make_key(cloudfront, name)
    group = make_group(cloudfront, name, key)
    id = make(cloudfront, config(name))
    etag = cloudfront.get_distribution(Id=id)["ETag"]
    made = exports(Valet(server, tmp_path)("account", "create", name))
    theirs = client(
        server, "cloudfront", (made["AWS_ACCESS_KEY_ID"], made["AWS_SECRET_ACCESS_KEY"], None))
    assert theirs.list_distributions()["DistributionList"]["Quantity"] == 0
    assert theirs.list_public_keys()["PublicKeyList"]["Quantity"] == 0
    batch = {"CallerReference": name, "Paths": {"Quantity": 1, "Items": ["/*"]}}
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"
    tags = {"Items": [{"Key": "a", "Value": "b"}]}
    rows = [
        (theirs.get_distribution, {"Id": id}, "NoSuchDistribution"),
        (theirs.get_distribution_config, {"Id": id}, "NoSuchDistribution"),
        (theirs.delete_distribution, {"Id": id, "IfMatch": etag}, "NoSuchDistribution"),
        (theirs.update_distribution,
         {"Id": id, "IfMatch": etag, "DistributionConfig": config(name)}, "NoSuchDistribution"),
        (theirs.create_invalidation,
         {"DistributionId": id, "InvalidationBatch": batch}, "NoSuchDistribution"),
        (theirs.list_invalidations, {"DistributionId": id}, "NoSuchDistribution"),
        (theirs.get_public_key, {"Id": key}, "NoSuchPublicKey"),
        (theirs.get_key_group, {"Id": group}, "NoSuchResource"),
        (theirs.list_distributions_by_key_group, {"KeyGroupId": group}, "NoSuchResource"),
    ]
    for call, parameters, code in rows:
        assert refused(call, **parameters)[0] == code, call
    # An ARN names its account: whether another's exists is not told.
    there, none = (
        refused(theirs.tag_resource, Resource=resource, Tags=tags)
        for resource in [arn, arn.replace(id, NO_DISTRIBUTION)]
    )
    assert there == none and there[0] == "NoSuchResource"
    # Neither is trusted.
    trusting = behaving(name, TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": [group]})
    assert refused(
        theirs.create_distribution, DistributionConfig=trusting)[0] == "TrustedKeyGroupDoesNotExist"
    # A server on loopback was not told its names: any alias could be one of them.
    alias = {"Quantity": 1, "Items": [f"{name}.acme.test"]}
    code, message = refused(theirs.create_distribution, DistributionConfig=config(name, Aliases=alias))
    assert code == "InvalidArgument" and "--public-url" in message, message
    # Names and references are each account's own; what there is stays as it was.
    remove(theirs, make(theirs, config(name)))
    assert cloudfront.get_distribution(Id=id)["ETag"] == etag
    remove(cloudfront, id)


def test_signatures(server):
    wrong = (ROOT_KEY.id, "wrong", None)
    assert refused(client(server, "cloudfront", wrong).list_distributions)[0] == "SignatureDoesNotMatch"
    unknown = ("AKIAUNKNOWN000000001", "x" * 40, None)
    assert refused(
        client(server, "cloudfront", unknown).list_distributions)[0] == "InvalidClientTokenId"
    # What nobody signed is no call of this API: S3 answers, which has no such bucket.
    answer = server.request("GET", "/2020-05-31/distribution")
    assert (answer.status, answer.code()) == (404, "NoSuchBucket")


def test_the_aws_command_line(server, tmp_path, name):
    environment = client_environment(server, tmp_path)

    # Debian's version reads the endpoint from its option alone.
    def aws(*words, status=0):
        ran = subprocess.run(
            [AWS_V2, "--endpoint-url", server.endpoint, "--output", "json", "cloudfront", *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == status, ran.stderr
        return json.loads(ran.stdout) if status == 0 and ran.stdout.strip() else ran.stderr

    def file(path, document):
        (tmp_path / path).write_text(json.dumps(document))
        return f"file://{tmp_path / path}"

    key = aws("create-public-key", "--public-key-config", file(
        "key.json", {"CallerReference": name, "Name": name, "EncodedKey": RSA}))["PublicKey"]["Id"]
    group = aws("create-key-group", "--key-group-config", file(
        "group.json", {"Name": name, "Items": [key]}))["KeyGroup"]["Id"]
    control = aws("create-origin-access-control", "--origin-access-control-config", file(
        "control.json", {
            "Name": name, "SigningProtocol": "sigv4", "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }))["OriginAccessControl"]["Id"]
    wanted = behaving(name, TrustedKeyGroups={"Enabled": True, "Quantity": 1, "Items": [group]})
    wanted["Origins"] = origin(OriginAccessControlId=control)
    id = aws("create-distribution", "--distribution-config", file("made.json", wanted))["Distribution"]["Id"]
    aws("wait", "distribution-deployed", "--id", id)
    held = aws("get-distribution-config", "--id", id)
    held["DistributionConfig"]["Comment"] = "changed"
    update = ["update-distribution", "--id", id, "--distribution-config"]
    document = file("changed.json", held["DistributionConfig"])
    updated = aws(*update, document, "--if-match", held["ETag"])
    assert updated["Distribution"]["DistributionConfig"]["Comment"] == "changed"
    assert "PreconditionFailed" in aws(*update, document, "--if-match", held["ETag"], status=254)
    made = aws("create-invalidation", "--distribution-id", id, "--paths", "/a/*", "/b")
    aws("wait", "invalidation-completed", "--distribution-id", id, "--id", made["Invalidation"]["Id"])
    held["DistributionConfig"]["Enabled"] = False
    disabled = aws(
        *update, file("off.json", held["DistributionConfig"]), "--if-match", updated["ETag"])
    aws("delete-distribution", "--id", id, "--if-match", disabled["ETag"])
    for kind, made in [
        ("key-group", group), ("public-key", key), ("origin-access-control", control),
    ]:
        etag = aws(f"get-{kind}", "--id", made)["ETag"]
        aws(f"delete-{kind}", "--id", made, "--if-match", etag)
    assert "NoSuchDistribution" in aws("get-distribution", "--id", id, status=254)


def test_what_terraform_writes(cloudfront, name):
    """Terraform's provider sends the parts that are not used as well, empty; and plans again from what it reads."""
    nothing = {"Quantity": 0}
    control = cloudfront.create_origin_access_control(OriginAccessControlConfig={
        "Name": name, "Description": "Managed by Terraform", "SigningProtocol": "sigv4",
        "SigningBehavior": "always", "OriginAccessControlOriginType": "s3",
    })["OriginAccessControl"]["Id"]
    behavior = {
        "TargetOriginId": "o", "ViewerProtocolPolicy": "redirect-to-https", "Compress": True,
        "CachePolicyId": NOT_CACHED, "FieldLevelEncryptionId": "", "OriginRequestPolicyId": "",
        "ResponseHeadersPolicyId": "", "SmoothStreaming": False,
        "AllowedMethods": {
            "Quantity": 2, "Items": ["GET", "HEAD"],
            "CachedMethods": {"Quantity": 2, "Items": ["GET", "HEAD"]},
        },
        "FunctionAssociations": nothing, "LambdaFunctionAssociations": nothing,
        "TrustedKeyGroups": {"Enabled": False, **nothing},
        "TrustedSigners": {"Enabled": False, **nothing}, "GrpcConfig": {"Enabled": False},
    }
    legacy = {
        **{name: value for name, value in behavior.items() if name != "CachePolicyId"},
        "PathPattern": "/old/*", "MinTTL": 0, "DefaultTTL": 3600, "MaxTTL": 86400,
        "ForwardedValues": {
            "QueryString": False, "Cookies": {"Forward": "none"}, "Headers": nothing,
            "QueryStringCacheKeys": nothing,
        },
    }
    wanted = {
        "CallerReference": f"terraform-{name}", "Comment": "", "Enabled": True,
        "Aliases": nothing, "DefaultRootObject": "index.html", "DefaultCacheBehavior": behavior,
        "CacheBehaviors": {"Quantity": 1, "Items": [legacy]}, "CustomErrorResponses": nothing,
        "ContinuousDeploymentPolicyId": "", "HttpVersion": "http2", "IsIPV6Enabled": True,
        "Logging": {"Enabled": False, "IncludeCookies": False, "Bucket": "", "Prefix": ""},
        "OriginGroups": nothing, "PriceClass": "PriceClass_All", "Staging": False, "WebACLId": "",
        "Restrictions": {"GeoRestriction": {"RestrictionType": "none", **nothing}},
        "ViewerCertificate": {"CloudFrontDefaultCertificate": True},
        "Origins": origin(
            ConnectionAttempts=3, ConnectionTimeout=10, CustomHeaders=nothing, OriginPath="",
            OriginAccessControlId=control),
    }
    tagged = {"DistributionConfig": wanted, "Tags": {"Items": []}}
    made = cloudfront.create_distribution_with_tags(DistributionConfigWithTags=tagged)
    id = made["Distribution"]["Id"]
    cloudfront.get_waiter("distribution_deployed").wait(
        Id=id, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    read = cloudfront.get_distribution(Id=id)
    shown = read["Distribution"]["DistributionConfig"]

    def check(sent, got, path):
        """Everything that was sent is read back, or there would be a change to plan."""
        for field, value in sent.items():
            if isinstance(value, dict):
                check(value, got[field], f"{path}.{field}")
            elif isinstance(value, list) and value and isinstance(value[0], dict):
                assert len(value) == len(got[field]), path
                for one, other in zip(value, got[field]):
                    check(one, other, f"{path}.{field}")
            elif isinstance(value, list):
                assert sorted(value) == sorted(got[field]), f"{path}.{field}"
            else:
                # What is empty may be left out.
                assert got.get(field, "") == value, f"{path}.{field}"

    check(wanted, shown, "DistributionConfig")
    # An apply without a change sends what was read, and the state stays the same to its reader.
    again = cloudfront.update_distribution(Id=id, IfMatch=read["ETag"], DistributionConfig=shown)
    assert again["Distribution"]["DistributionConfig"] == shown
    etag = cloudfront.get_origin_access_control(Id=control)["ETag"]
    assert refused(
        cloudfront.delete_origin_access_control, Id=control, IfMatch=etag
    )[0] == "OriginAccessControlInUse"
    remove(cloudfront, id)
    cloudfront.delete_origin_access_control(Id=control, IfMatch=etag)


def test_tags_of_a_distribution_decide(server, cloudfront, name):
    """`aws:ResourceTag` allows, and denies: also that the tag is taken away."""
    id = make(cloudfront, config(name))
    arn = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{id}"
    cloudfront.tag_resource(Resource=arn, Tags={"Items": [{"Key": "team", "Value": "media"}]})
    tagged = {"StringEquals": {"aws:ResourceTag/team": "media"}}
    allowed = make_user(
        server, name, allow("cloudfront:GetDistribution", "*", Condition=tagged))
    denied = make_user(
        server, name + "2", allow("cloudfront:*"), deny("cloudfront:*", "*", Condition=tagged))
    denied = client(server, "cloudfront", denied)
    assert refused(denied.get_distribution, Id=id)[0] == "AccessDenied"
    assert refused(denied.untag_resource, Resource=arn, TagKeys={"Items": ["team"]})[0] == "AccessDenied"
    allowed = client(server, "cloudfront", allowed)
    assert allowed.get_distribution(Id=id)["Distribution"]["Id"] == id
    cloudfront.tag_resource(Resource=arn, Tags={"Items": [{"Key": "team", "Value": "other"}]})
    assert refused(allowed.get_distribution, Id=id)[0] == "AccessDenied"
    assert denied.get_distribution(Id=id)["Distribution"]["Id"] == id
    remove(cloudfront, id)
