//! The walls: crates in a line, each using only those to its left, and the first two of them pure.

use anyhow::{Context as _, Result, ensure};

use crate::metadata::{Metadata, Package};
use crate::sources::{self, SourceFile};

/// From left to right; a crate may use those before it.
const LINE: [&str; 8] =
    ["presign", "iam", "store", "ledger", "edge", "valet-console", "server", "valet"];

/// Crates that stand beside the line: they use these alone of those to their left.
const BESIDE: [(&str, &[&str]); 3] =
    [("ledger", &["presign"]), ("edge", &[]), ("valet-console", &["presign"])];

/// Crates that get the time, secrets and seeds as arguments, and do no input or output.
const PURE: [&str; 2] = ["presign", "iam"];

/// What a pure crate must not link, however far away. `rand_core` is traits alone: whoever draws, names `getrandom`.
const IMPURE_PACKAGES: [&str; 13] = [
    "async-std",
    "chrono",
    "futures-util",
    "getrandom",
    "hyper",
    "mio",
    "rand",
    "reqwest",
    "rusqlite",
    "socket2",
    "tokio",
    "tracing",
    "ureq",
];

/// What the code of a pure crate must not name. Addresses without sockets are in `core::net`.
const IMPURE_NAMES: [&str; 14] = [
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "println!",
    "eprintln!",
    "dbg!",
    "async fn",
];

/// Where the server may look up what a name means. Anywhere else it may mean another bucket or record than
/// the one that was judged, so `StoreAccess` is asked, which binds the name.
/// Authentication asks only whether a proxy's prefix is the name of a bucket.
const LOOKUPS: [&str; 4] = [
    "crates/server/src/gate.rs",
    "crates/server/src/gate/authenticate.rs",
    "crates/server/src/gate/authorize.rs",
    "crates/server/src/gate/lookups.rs",
];

/// How the store is asked for it.
const LOOKUP_CALLS: [&str; 4] =
    ["store().bucket(", "store.bucket(", "store().object(", "store.object("];

/// Every hole in a wall.
pub(crate) fn violations() -> Result<Vec<String>> {
    let metadata = Metadata::read()?;
    let mut violations = Vec::new();
    for name in LINE {
        ensure!(metadata.members().any(|member| member.name == name), "there is no crate {name}");
    }
    for member in metadata.members() {
        violations.extend(wrong_way(&member.name, member.dependencies.iter().map(|d| &*d.name)));
        violations.extend(not_beside(&member.name, member.dependencies.iter().map(|d| &*d.name)));
    }
    for name in PURE {
        let member = metadata.members().find(|member| member.name == name).context(name)?;
        violations.extend(impure_packages(&metadata, member));
    }
    let sources = sources::all()?;
    violations.extend(sources.iter().flat_map(impure_names));
    violations.extend(sources.iter().flat_map(lookups));
    Ok(violations)
}

/// Look-ups of buckets and records beside the gate, wherever the lines break.
fn lookups(source: &SourceFile) -> Vec<String> {
    if !source.path.starts_with("crates/server/src/") || LOOKUPS.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let code = source.product_lines().filter(|(_, line)| !sources::is_comment(line));
    let code: String = code.map(|(_, line)| line).collect::<String>().split_whitespace().collect();
    let named = LOOKUP_CALLS.into_iter().filter(|call| code.contains(call));
    named.map(|call| format!("{}: {call}..) is for the gate", source.path)).collect()
}

/// Dependencies of one member, of any kind, on a crate that is not to its left.
fn wrong_way<'a>(member: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<String> {
    let place = |name: &str| LINE.iter().position(|crate_name| *crate_name == name);
    dependencies
        .filter(|dependency| match (place(dependency), place(member)) {
            (None, _) => false,
            (Some(theirs), Some(ours)) => theirs >= ours,
            // The chores must build when the product does not.
            (Some(_), None) => true,
        })
        .map(|dependency| format!("{member} depends on {dependency}, which is not to its left"))
        .collect()
}

/// Dependencies of a crate that stands beside the line, on a crate of the line that it may not use.
fn not_beside<'a>(member: &str, dependencies: impl Iterator<Item = &'a str>) -> Vec<String> {
    let Some((_, used)) = BESIDE.iter().find(|(name, _)| *name == member) else {
        return Vec::new();
    };
    dependencies
        .filter(|dependency| LINE.contains(dependency) && !used.contains(dependency))
        .map(|dependency| format!("{member} stands beside {dependency} and depends on it"))
        .collect()
}

fn impure_packages(metadata: &Metadata, member: &Package) -> Vec<String> {
    let linked = metadata.linked_into(member);
    IMPURE_PACKAGES
        .iter()
        .filter(|package| linked.contains(**package))
        .map(|package| format!("{} is pure but links {package}", member.name))
        .collect()
}

fn impure_names(source: &SourceFile) -> Vec<String> {
    if !PURE.iter().any(|name| source.path.starts_with(&format!("crates/{name}/src/"))) {
        return Vec::new();
    }
    let code = source.product_lines().filter(|(_, line)| !sources::is_comment(line));
    code.flat_map(|(number, line)| {
        let named = IMPURE_NAMES.into_iter().filter(move |name| line.contains(name));
        named.map(move |name| format!("{}:{number}: a pure crate names {name}", source.path))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walls_stand() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_crate_uses_only_those_to_its_left() {
        let check = |member, dependency, holds: bool| {
            let found = wrong_way(member, std::iter::once(dependency));
            assert_eq!(found.is_empty(), holds, "{member} -> {dependency}");
        };
        check("iam", "presign", true);
        check("valet", "presign", true);
        check("presign", "sha2", true);
        check("presign", "iam", false);
        check("store", "server", false);
        check("xtask", "presign", false);
        check("iam", "iam", false);
        check("server", "ledger", true);
        check("valet", "ledger", true);
        check("store", "ledger", false);
    }

    #[test]
    fn the_ledger_uses_presign_alone() {
        let check = |member, dependency, holds: bool| {
            let found = not_beside(member, std::iter::once(dependency));
            assert_eq!(found.is_empty(), holds, "{member} -> {dependency}");
        };
        check("ledger", "presign", true);
        check("ledger", "rusqlite", true);
        check("ledger", "iam", false);
        check("ledger", "store", false);
        check("server", "store", true);
    }

    #[test]
    fn a_pure_crate_names_nothing_impure() {
        let check = |path: &str, line: &str, holds: bool| {
            let text = format!("//! A.\n{line}\n");
            let found = impure_names(&SourceFile { path: path.to_owned(), text });
            assert_eq!(found.is_empty(), holds, "{path}: {line}");
        };
        for name in IMPURE_NAMES {
            check("crates/presign/src/key.rs", &format!("    {name}"), false);
            check("crates/iam/src/a/b.rs", &format!("    {name}"), false);
            check("crates/store/src/lib.rs", &format!("    {name}"), true);
            check("crates/presign/src/key.rs", &format!("// {name}"), true);
            check("crates/presign/src/key.rs", &format!("#[cfg(test)]\n{name}"), true);
        }
    }

    #[test]
    fn only_the_gate_looks_up_what_names_mean() {
        let check = |path: &str, code: &str, holds: bool| {
            let text = format!("//! A.\n{code}\n");
            let found = lookups(&SourceFile { path: path.to_owned(), text });
            assert_eq!(found.is_empty(), holds, "{path}: {code}");
        };
        for call in LOOKUP_CALLS {
            let (object, method) = call.rsplit_once('.').unwrap();
            let broken = format!("access.{object}\n        .{method}name)");
            check("crates/server/src/s3/put.rs", &format!("    {call}name)"), false);
            check("crates/server/src/s3/put.rs", &broken, false);
            check("crates/server/src/gate.rs", &broken, true);
            check("crates/store/src/store.rs", &broken, true);
            check("crates/server/tests/answers/a.rs", &broken, true);
            check("crates/server/src/s3/put.rs", &format!("// {call}"), true);
        }
        check("crates/server/src/s3/put.rs", "access.bucket(name); access.object(name)", true);
    }

    #[test]
    fn far_dependencies_are_seen() {
        let metadata = Metadata::read().unwrap();
        let server = metadata.members().find(|member| member.name == "server").unwrap();
        let linked = metadata.linked_into(server);
        assert!(linked.contains("tokio") && linked.contains("mio") && linked.contains("presign"));
        assert!(!linked.contains("server"));
    }
}
