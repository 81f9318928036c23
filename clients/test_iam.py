"""The IAM API with boto3 and the aws command line, and the calls that Terraform's provider makes."""

import json
import re
import subprocess

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from harness import AWS_V2, ROOT, client_environment
from people import ACCOUNT, allow, client, make_user, policy, trust


@pytest.fixture
def server(http_server):
    return http_server


@pytest.fixture
def iam(server):
    return client(server, "iam")


@pytest.fixture
def name(bucket_name):
    return bucket_name[:50]


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_users_from_first_to_last(iam, name):
    made = iam.create_user(UserName=name, Path="/team/", Tags=[{"Key": "a", "Value": "1"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    assert made["UserId"].startswith("AIDA") and len(made["UserId"]) == 21
    assert made["Tags"] == [{"Key": "a", "Value": "1"}]
    assert refused(iam.create_user, UserName=name.upper()) == (
        "EntityAlreadyExists", f"User with name {name.upper()} already exists.")
    assert iam.get_user(UserName=name)["User"]["UserId"] == made["UserId"]
    assert name in [user["UserName"] for user in iam.list_users(PathPrefix="/team/")["Users"]]
    iam.update_user(UserName=name, NewUserName=name + "2", NewPath="/other/")
    renamed = iam.get_user(UserName=name + "2")["User"]
    assert (renamed["UserId"], renamed["Path"]) == (made["UserId"], "/other/")
    assert refused(iam.get_user, UserName=name) == (
        "NoSuchEntity", f"The user with name {name} cannot be found.")
    name += "2"

    document = policy(allow("s3:GetObject", "arn:aws:s3:::b/ü*"))
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    assert iam.get_user_policy(UserName=name, PolicyName="own")["PolicyDocument"] == json.loads(document)
    assert iam.list_user_policies(UserName=name)["PolicyNames"] == ["own"]
    assert refused(iam.delete_user, UserName=name) == (
        "DeleteConflict", "Cannot delete entity, must delete policies first.")
    iam.delete_user_policy(UserName=name, PolicyName="own")
    assert refused(iam.delete_user_policy, UserName=name, PolicyName="own") == (
        "NoSuchEntity", "The user policy with name own cannot be found.")

    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    attached = iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]
    assert attached == [{"PolicyName": "AmazonS3ReadOnlyAccess", "PolicyArn": arn}]
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    assert refused(iam.detach_user_policy, UserName=name, PolicyArn=arn)[0] == "NoSuchEntity"

    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=arn)
    boundary = iam.get_user(UserName=name)["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == arn
    iam.delete_user_permissions_boundary(UserName=name)

    iam.tag_user(UserName=name, Tags=[{"Key": "b", "Value": "2"}])
    assert iam.list_user_tags(UserName=name)["Tags"] == [
        {"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    iam.untag_user(UserName=name, TagKeys=["a"])
    assert [tag["Key"] for tag in iam.list_user_tags(UserName=name)["Tags"]] == ["b"]
    iam.delete_user(UserName=name)


def test_access_keys(server, iam, name):
    iam.create_user(UserName=name)
    one = iam.create_access_key(UserName=name)["AccessKey"]
    assert one["AccessKeyId"].startswith("AKIA") and len(one["SecretAccessKey"]) == 40
    iam.create_access_key(UserName=name)
    assert refused(iam.create_access_key, UserName=name) == (
        "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    key = (one["AccessKeyId"], one["SecretAccessKey"], None)
    assert client(server, "sts", key).get_caller_identity()["Arn"].endswith(f":user/{name}")
    used = iam.get_access_key_last_used(AccessKeyId=one["AccessKeyId"])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == (name, "sts")
    iam.update_access_key(UserName=name, AccessKeyId=one["AccessKeyId"], Status="Inactive")
    listed = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    assert {key["AccessKeyId"]: key["Status"] for key in listed}[one["AccessKeyId"]] == "Inactive"
    assert refused(client(server, "sts", key).get_caller_identity) == (
        "InvalidClientTokenId", "The security token included in the request is invalid.")
    iam.delete_access_key(UserName=name, AccessKeyId=one["AccessKeyId"])
    assert refused(iam.delete_access_key, UserName=name, AccessKeyId=one["AccessKeyId"])[0] == "NoSuchEntity"


def test_groups_give_to_their_members(server, iam, name):
    key = make_user(server, name)
    s3 = client(server, "s3", key)
    assert refused(s3.list_buckets)[0] == "AccessDenied"
    iam.create_group(GroupName=name)
    iam.put_group_policy(GroupName=name, PolicyName="own", PolicyDocument=policy(allow("s3:*")))
    iam.add_user_to_group(GroupName=name, UserName=name)
    s3.list_buckets()
    assert [user["UserName"] for user in iam.get_group(GroupName=name)["Users"]] == [name]
    assert [group["GroupName"] for group in iam.list_groups_for_user(UserName=name)["Groups"]] == [name]
    iam.update_group(GroupName=name, NewGroupName=name + "-new")
    s3.list_buckets()
    assert refused(iam.delete_group, GroupName=name + "-new") == (
        "DeleteConflict", "Cannot delete entity, must remove users from group first.")
    iam.remove_user_from_group(GroupName=name + "-new", UserName=name)
    assert refused(s3.list_buckets)[0] == "AccessDenied"


def test_managed_policies_and_their_versions(server, iam, name):
    made = iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("s3:ListAllMyBuckets")))["Policy"]
    arn = made["Arn"]
    assert (arn, made["DefaultVersionId"]) == (f"arn:aws:iam::{ACCOUNT}:policy/{name}", "v1")
    key = make_user(server, name)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    client(server, "s3", key).list_buckets()
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    users = iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"]
    assert [user["UserName"] for user in users] == [name]
    second = iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=policy(allow("s3:GetObject")), SetAsDefault=True)
    assert second["PolicyVersion"]["VersionId"] == "v2"
    assert refused(client(server, "s3", key).list_buckets)[0] == "AccessDenied"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")
    client(server, "s3", key).list_buckets()
    for _ in range(3):
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:GetObject")))
    assert refused(
        iam.create_policy_version, PolicyArn=arn, PolicyDocument=policy(allow("s3:GetObject"))
    )[0] == "LimitExceeded"
    versions = [version["VersionId"] for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]]
    assert versions == ["v5", "v4", "v3", "v2", "v1"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]["Document"]
    assert document["Statement"][0]["Action"] == "s3:ListAllMyBuckets"
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v1")[0] == "DeleteConflict"
    assert refused(iam.delete_policy, PolicyArn=arn)[0] == "DeleteConflict"
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    for version in ["v2", "v3", "v4", "v5"]:
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    iam.delete_policy(PolicyArn=arn)
    assert refused(iam.get_policy, PolicyArn=arn)[0] == "NoSuchEntity"
    malformed = refused(iam.create_policy, PolicyName=name, PolicyDocument='{"Statement":[],"Statement":[]}')
    assert malformed == ("MalformedPolicyDocument", "Syntax errors in policy.")


def test_roles_and_profiles(iam, name):
    document = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    made = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=document, Description="d", MaxSessionDuration=7200,
        Tags=[{"Key": "a", "Value": "1"}],
    )["Role"]
    assert made["RoleId"].startswith("AROA") and "MaxSessionDuration" not in made
    assert made["AssumeRolePolicyDocument"] == json.loads(document)
    iam.update_role(RoleName=name, MaxSessionDuration=3600)
    assert iam.get_role(RoleName=name)["Role"]["MaxSessionDuration"] == 3600
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust({"AWS": ACCOUNT}))
    iam.create_instance_profile(InstanceProfileName=name)
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == [name]
    profiles = iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"]
    assert [profile["InstanceProfileName"] for profile in profiles] == [name]
    assert refused(iam.delete_role, RoleName=name)[0] == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role(RoleName=name)
    unknown = trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody-here"})
    assert refused(iam.create_role, RoleName=name, AssumeRolePolicyDocument=unknown)[0] == "MalformedPolicyDocument"


def test_pages(iam, name):
    names = [f"{name}-{number:02}" for number in range(7)]
    for each in names:
        iam.create_user(UserName=each, Path=f"/{name}/")
    pages = iam.get_paginator("list_users").paginate(
        PathPrefix=f"/{name}/", PaginationConfig={"PageSize": 3})
    pages = [[user["UserName"] for user in page["Users"]] for page in pages]
    assert pages == [names[:3], names[3:6], names[6:]]
    details = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User"], PaginationConfig={"PageSize": 2})
    found = [user["UserName"] for page in details for user in page["UserDetailList"]]
    assert set(names) <= set(found) and len(found) == len(set(found))


def test_simulation(server, iam, name):
    make_user(server, name, allow("s3:GetObject", "arn:aws:s3:::b/*"), {
        **allow("s3:PutObject", "arn:aws:s3:::b/*"),
        "Condition": {"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}},
    })
    answer = iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:user/{name}",
        ActionNames=["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        ResourceArns=["arn:aws:s3:::b/k"],
    )
    decisions = {row["EvalActionName"]: row["EvalDecision"] for row in answer["EvaluationResults"]}
    assert decisions == {
        "s3:GetObject": "allowed", "s3:PutObject": "implicitDeny", "s3:DeleteObject": "implicitDeny"}
    glacier = {"ContextKeyName": "s3:x-amz-storage-class", "ContextKeyValues": ["GLACIER"], "ContextKeyType": "string"}
    answer = iam.simulate_custom_policy(
        PolicyInputList=[policy({
            **allow("s3:PutObject"),
            "Condition": {"StringEquals": {"s3:x-amz-storage-class": "GLACIER"}},
        })],
        ActionNames=["s3:PutObject"], ContextEntries=[glacier],
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_what_a_user_may_not(server, name):
    iam = client(server, "iam", make_user(server, name))
    assert refused(iam.create_user, UserName="another") == (
        "AccessDenied",
        f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: iam:CreateUser on resource: "
        f"arn:aws:iam::{ACCOUNT}:user/another because no identity-based policy allows the iam:CreateUser action")


def test_any_region_that_names_the_global_one(start):
    server = start(options=["--region", "eu-central-1"])
    assert client(server, "iam", region="us-east-1").list_users()["Users"] == []
    assert client(server, "iam", region="eu-central-1").list_users()["Users"] == []
    client(server, "sts", region="us-east-1").get_caller_identity()
    with pytest.raises(ClientError) as caught:
        client(server, "sts", region="eu-west-1").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "SignatureDoesNotMatch"


def test_the_aws_command_line(server, tmp_path, name):
    environment = client_environment(server, tmp_path)

    def aws(*arguments):
        result = subprocess.run(
            [AWS_V2, "--endpoint-url", server.endpoint, "iam", *arguments, "--output", "json"], env=environment, check=True,
            capture_output=True, text=True, timeout=60)
        return json.loads(result.stdout) if result.stdout.strip() else None

    aws("create-user", "--user-name", name)
    document = policy(allow("s3:*"))
    arn = aws("create-policy", "--policy-name", name, "--policy-document", document)["Policy"]["Arn"]
    aws("attach-user-policy", "--user-name", name, "--policy-arn", arn)
    assert aws("list-attached-user-policies", "--user-name", name)["AttachedPolicies"][0]["PolicyArn"] == arn
    aws("create-role", "--role-name", name, "--assume-role-policy-document", trust({"AWS": ACCOUNT}))
    aws("create-access-key", "--user-name", name)
    assert name in [user["UserName"] for user in aws("list-users")["Users"]]
    assert aws("get-account-summary")["SummaryMap"]["UsersQuota"] == 5000
    assert aws("list-account-aliases")["AccountAliases"] == []


def test_what_terraform_reads_and_writes(server, iam, bucket_name, name):
    """The calls of the aws provider for user, access key, role, policy, attachments, bucket, bucket
    policy and versioning, in its order: made, read back, made again the same, destroyed."""
    s3 = client(server, "s3")

    def missing(call, code, **parameters):
        assert refused(call, **parameters)[0] == code, call

    client(server, "sts").get_caller_identity()
    iam.get_user()
    # aws_iam_user, aws_iam_access_key
    iam.create_user(UserName=name, Path="/", Tags=[{"Key": "managed", "Value": "yes"}])
    iam.get_user(UserName=name)
    iam.create_access_key(UserName=name)
    key = iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]["AccessKeyId"]
    # aws_iam_policy, aws_iam_user_policy_attachment
    arn = iam.create_policy(PolicyName=name, Path="/", PolicyDocument=policy(allow("s3:*")))["Policy"]["Arn"]
    iam.get_policy(PolicyArn=arn)
    iam.get_policy_version(PolicyArn=arn, VersionId="v1")
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.list_attached_user_policies(UserName=name)
    # aws_iam_role and its attachment
    iam.create_role(RoleName=name, Path="/", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}))
    iam.get_role(RoleName=name)
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == []
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    # aws_s3_bucket reads every setting there is.
    s3.create_bucket(Bucket=bucket_name)
    s3.head_bucket(Bucket=bucket_name)
    missing(s3.get_bucket_policy, "NoSuchBucketPolicy", Bucket=bucket_name)
    s3.get_bucket_acl(Bucket=bucket_name)
    missing(s3.get_bucket_cors, "NoSuchCORSConfiguration", Bucket=bucket_name)
    missing(s3.get_bucket_website, "NoSuchWebsiteConfiguration", Bucket=bucket_name)
    s3.get_bucket_versioning(Bucket=bucket_name)
    s3.get_bucket_accelerate_configuration(Bucket=bucket_name)
    s3.get_bucket_request_payment(Bucket=bucket_name)
    s3.get_bucket_logging(Bucket=bucket_name)
    missing(s3.get_bucket_lifecycle_configuration, "NoSuchLifecycleConfiguration", Bucket=bucket_name)
    missing(s3.get_bucket_replication, "ReplicationConfigurationNotFoundError", Bucket=bucket_name)
    s3.get_bucket_encryption(Bucket=bucket_name)
    missing(s3.get_object_lock_configuration, "ObjectLockConfigurationNotFoundError", Bucket=bucket_name)
    missing(s3.get_bucket_tagging, "NoSuchTagSet", Bucket=bucket_name)
    s3.get_public_access_block(Bucket=bucket_name)
    s3.get_bucket_ownership_controls(Bucket=bucket_name)
    # tags, aws_s3_bucket_policy, aws_s3_bucket_versioning
    tags = {"TagSet": [{"Key": "managed", "Value": "yes"}]}
    s3.put_bucket_tagging(Bucket=bucket_name, Tagging=tags)
    assert s3.get_bucket_tagging(Bucket=bucket_name)["TagSet"] == tags["TagSet"]
    document = policy({
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{name}"},
        "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket_name}/*"})
    s3.put_bucket_policy(Bucket=bucket_name, Policy=document)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket_name)["Policy"]) == json.loads(document)
    assert s3.get_bucket_policy_status(Bucket=bucket_name)["PolicyStatus"]["IsPublic"] is False
    s3.put_bucket_versioning(Bucket=bucket_name, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=bucket_name)["Status"] == "Enabled"
    # aws_s3_bucket_public_access_block, aws_s3_bucket_ownership_controls
    block = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": False, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket=bucket_name, PublicAccessBlockConfiguration=block)
    assert s3.get_public_access_block(Bucket=bucket_name)["PublicAccessBlockConfiguration"] == block
    s3.put_bucket_ownership_controls(
        Bucket=bucket_name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    # Destroyed, in the order in which the provider goes back.
    s3.delete_public_access_block(Bucket=bucket_name)
    missing(s3.get_public_access_block, "NoSuchPublicAccessBlockConfiguration", Bucket=bucket_name)
    s3.delete_bucket_ownership_controls(Bucket=bucket_name)
    missing(s3.get_bucket_ownership_controls, "OwnershipControlsNotFoundError", Bucket=bucket_name)
    s3.delete_bucket_policy(Bucket=bucket_name)
    s3.delete_bucket_tagging(Bucket=bucket_name)
    s3.delete_bucket(Bucket=bucket_name)
    iam.detach_role_policy(RoleName=name, PolicyArn=arn)
    assert iam.list_instance_profiles_for_role(RoleName=name)["InstanceProfiles"] == []
    iam.delete_role(RoleName=name)
    iam.detach_user_policy(UserName=name, PolicyArn=arn)
    iam.list_policy_versions(PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_access_key(UserName=name, AccessKeyId=key)
    for call in (iam.list_mfa_devices, iam.list_ssh_public_keys, iam.list_signing_certificates,
                 iam.list_service_specific_credentials):
        call(UserName=name)
    missing(iam.get_login_profile, "NoSuchEntity", UserName=name)
    iam.delete_user(UserName=name)


@pytest.mark.parametrize("service, page", [("iam", "identities.md"), ("sts", "sessions.md")])
def test_the_page_names_the_calls_that_are_served_and_no_other(server, service, page, name):
    # A user who may do nothing: calls are looked up before they are judged, and none changes anything.
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    nobody = client(server, service, make_user(server, name), config=config)
    known = nobody.meta.service_model.operation_names
    text = (ROOT / "docs" / page).read_text()
    named = {word for word in re.findall(r"`(\w+)`", text) if word in known}
    served = set()
    for call in known:
        try:
            nobody._make_api_call(call, {})
            served.add(call)
        except ClientError as refusal:
            # Of an unknown call that botocore sends unsigned (AssumeRoleWithSAML) the signature is missed first.
            if refusal.response["Error"]["Code"] not in ("InvalidAction", "MissingAuthenticationToken"):
                served.add(call)
    assert named == served
