//! Ids of resources, and names of their states.

use store::{ResourceKind, StoreError, fill_random};

/// The letters of ids.
const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// How many of them follow the first letter.
const LETTERS_OF_ID: usize = 13;

/// A new id for a resource of a kind: 14 letters, the first of which tells the kind, or a UUID.
pub(super) fn new_id(kind: ResourceKind) -> Result<String, StoreError> {
    match kind {
        ResourceKind::PublicKey => letters('K'),
        ResourceKind::Distribution | ResourceKind::OriginAccessControl => letters('E'),
        ResourceKind::Invalidation => letters('I'),
        ResourceKind::KeyGroup
        | ResourceKind::CachePolicy
        | ResourceKind::OriginRequestPolicy
        | ResourceKind::ResponseHeadersPolicy => uuid(),
    }
}

/// A name for a state that no other state has.
pub(super) fn new_etag() -> Result<String, StoreError> {
    letters('E')
}

fn letters(first: char) -> Result<String, StoreError> {
    let mut bytes = [0; 8 * LETTERS_OF_ID];
    fill_random(&mut bytes)?;
    let mut id = String::from(first);
    // Eight bytes each: the remainder favours no letter by more than one in 2^58.
    for chunk in bytes.chunks_exact(8) {
        let number = chunk.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let place = usize::try_from(number % 36).unwrap_or(0);
        id.push(LETTERS.get(place).map_or('A', |letter| char::from(*letter)));
    }
    Ok(id)
}

fn uuid() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    fill_random(&mut bytes)?;
    let number = u128::from_be_bytes(bytes);
    // Version 4, variant 1.
    let number = number & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let text = format!("{number:032x}");
    let part = |range| text.get(range).unwrap_or_default();
    Ok([part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form() {
        for kind in ResourceKind::ALL {
            let id = new_id(kind).unwrap();
            assert_ne!(id, new_id(kind).unwrap());
            if id.len() == 14 {
                assert!(id.bytes().all(|byte| LETTERS.contains(&byte)), "{id}");
            } else {
                let shape: String =
                    id.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
                assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
                assert_eq!(id.as_bytes()[14], b'4');
                assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
            }
        }
    }
}
