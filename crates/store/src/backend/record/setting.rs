//! What a bucket's owner set: a record a setting, so that a new kind needs no new table.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::policy::BoundRecord;
use super::website::WebsiteRecord;
use super::{corrupt, pairs_of, tags_of};
use crate::bucket::BucketSettings;
use crate::{
    BucketEncryption, BucketSetting, CorsMethod, CorsRule, CustomerKeys, ObjectOwnership,
    PublicAccessBlock, StoreError,
};

const POLICY: i64 = 1;
const PUBLIC_ACCESS: i64 = 2;
const OWNERSHIP: i64 = 3;
const TAGS: i64 = 4;
const CORS: i64 = 5;
const ENCRYPTION: i64 = 6;
const WEBSITE: i64 = 7;

#[expect(clippy::struct_excessive_bools, reason = "four switches, as S3 has them")]
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicAccessRecord {
    acls: bool,
    ignore: bool,
    policy: bool,
    restrict: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CorsRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    origins: Vec<String>,
    methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expose: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<u32>,
}

impl CorsRecord {
    fn of(rule: &CorsRule) -> Self {
        let CorsRule {
            id,
            allowed_origins,
            allowed_methods,
            allowed_headers,
            expose_headers,
            max_age_seconds,
        } = rule.clone();
        Self {
            id,
            origins: allowed_origins,
            methods: allowed_methods.iter().map(|method| method.as_str().to_owned()).collect(),
            headers: allowed_headers,
            expose: expose_headers,
            max_age: max_age_seconds,
        }
    }

    fn parse(self) -> Result<CorsRule, StoreError> {
        let Self { id, origins, methods, headers, expose, max_age } = self;
        let methods: Option<_> = methods.iter().map(|name| CorsMethod::parse(name)).collect();
        Ok(CorsRule {
            id,
            allowed_origins: origins,
            allowed_methods: methods.ok_or_else(|| corrupt("setting of a bucket"))?,
            allowed_headers: headers,
            expose_headers: expose,
            max_age_seconds: max_age,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EncryptionRecord {
    aes256: bool,
    bucket_key: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_keys: Option<bool>,
}

/// Puts a setting among those of a bucket, from its kind and its record.
pub(crate) fn apply_setting(
    settings: &mut BucketSettings,
    kind: i64,
    record: &[u8],
) -> Result<(), StoreError> {
    fn read<'r, T: Deserialize<'r>>(record: &'r [u8]) -> Result<T, StoreError> {
        serde_json::from_slice(record).map_err(|_| corrupt("setting of a bucket"))
    }
    match kind {
        POLICY => {
            let record: Option<BoundRecord> = read(record)?;
            settings.policy = record.map(BoundRecord::parse).transpose()?.map(Arc::new);
        }
        PUBLIC_ACCESS => {
            let record: Option<PublicAccessRecord> = read(record)?;
            settings.public_access_block = record.map(|record| PublicAccessBlock {
                block_public_acls: record.acls,
                ignore_public_acls: record.ignore,
                block_public_policy: record.policy,
                restrict_public_buckets: record.restrict,
            });
        }
        OWNERSHIP => {
            let record: Option<u8> = read(record)?;
            settings.ownership = match record {
                None => None,
                Some(1) => Some(ObjectOwnership::BucketOwnerEnforced),
                Some(2) => Some(ObjectOwnership::BucketOwnerPreferred),
                Some(3) => Some(ObjectOwnership::ObjectWriter),
                Some(_) => return Err(corrupt("setting of a bucket")),
            };
        }
        TAGS => settings.tags = tags_of(read(record)?),
        CORS => {
            let records: Vec<CorsRecord> = read(record)?;
            settings.cors = records.into_iter().map(CorsRecord::parse).collect::<Result<_, _>>()?;
        }
        ENCRYPTION => {
            let EncryptionRecord { aes256, bucket_key, customer_keys } = read(record)?;
            let customer_keys = customer_keys
                .map(|allowed| if allowed { CustomerKeys::Allowed } else { CustomerKeys::Blocked });
            settings.encryption = BucketEncryption { aes256, bucket_key, customer_keys };
        }
        WEBSITE => {
            let record: Option<WebsiteRecord> = read(record)?;
            settings.website = record.map(WebsiteRecord::parse).transpose()?.map(Arc::new);
        }
        _ => return Err(corrupt("kind of a bucket's setting")),
    }
    Ok(())
}

/// The kind of a setting, and its record.
pub(crate) fn setting_record(setting: &BucketSetting) -> Result<(i64, Vec<u8>), StoreError> {
    let (kind, record) = match setting {
        BucketSetting::Policy(policy) => {
            let record = policy.as_ref().map(|policy| BoundRecord::of(policy));
            (POLICY, serde_json::to_vec(&record))
        }
        BucketSetting::PublicAccessBlock(block) => {
            let record = block.map(|block| PublicAccessRecord {
                acls: block.block_public_acls,
                ignore: block.ignore_public_acls,
                policy: block.block_public_policy,
                restrict: block.restrict_public_buckets,
            });
            (PUBLIC_ACCESS, serde_json::to_vec(&record))
        }
        BucketSetting::Ownership(ownership) => {
            let record: Option<u8> = ownership.map(|ownership| match ownership {
                ObjectOwnership::BucketOwnerEnforced => 1,
                ObjectOwnership::BucketOwnerPreferred => 2,
                ObjectOwnership::ObjectWriter => 3,
            });
            (OWNERSHIP, serde_json::to_vec(&record))
        }
        BucketSetting::Tags(tags) => (TAGS, serde_json::to_vec(&pairs_of(tags))),
        BucketSetting::Cors(rules) => {
            let records: Vec<CorsRecord> = rules.iter().map(CorsRecord::of).collect();
            (CORS, serde_json::to_vec(&records))
        }
        BucketSetting::Encryption(encryption) => {
            let BucketEncryption { aes256, bucket_key, customer_keys } = *encryption;
            let customer_keys = customer_keys.map(|keys| keys == CustomerKeys::Allowed);
            let record = EncryptionRecord { aes256, bucket_key, customer_keys };
            (ENCRYPTION, serde_json::to_vec(&record))
        }
        BucketSetting::Website(website) => {
            let record = website.as_ref().map(|website| WebsiteRecord::of(website));
            (WEBSITE, serde_json::to_vec(&record))
        }
    };
    record.map(|record| (kind, record)).map_err(|_| corrupt("setting of a bucket"))
}
