//! Rings of modules: files of one crate that name each other, so that none can be understood, or moved, alone.
//!
//! A module is a file. It depends on another whose names it uses; `mod child;` alone is no use, and a name that is
//! only handed on (`pub use`) is looked for where it stands. What is compiled for tests alone is left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::sources::{self, SourceFile};

/// Modules that the largest ring of a crate may have: what holds now. It may fall, and never rise.
const RING_MAX: [(&str, usize); 2] = [("server", 2), ("store", 8)];

/// The engines of the store: no ring holds modules of theirs and modules above or of the seam.
const ENGINES: [&str; 5] = ["embedded", "files", "memory", "record", "sqlite"];

/// Modules at the top of a crate that may use each other, where each counts with all that is below it: layers are made of
/// them. `iam`, `query` and `sts` are one.
const LAYER_RING_MAX: [(&str, usize); 1] = [("server", 3)];

/// Where a module stands: `["gate", "caller"]` is `gate/caller.rs`, and nothing is `lib.rs`.
type ModulePath = Vec<String>;

/// Every ring that is too large.
pub(crate) fn violations() -> Result<Vec<String>> {
    let sources = sources::all()?;
    let mut violations = Vec::new();
    for (name, most) in RING_MAX {
        let modules = Modules::read(name, &sources);
        ensure!(!modules.0.is_empty(), "there is no crate {name}");
        let uses = modules.uses();
        for ring in rings(&uses).iter().filter(|ring| ring.len() > most) {
            violations.push(format!(
                "{name}: a ring of {} modules, {most} at most: {}",
                ring.len(),
                within(ring, &uses)
            ));
        }
        if name == "store" {
            violations.extend(
                rings(&uses)
                    .iter()
                    .filter(|ring| crosses_the_seam(ring))
                    .map(|ring| format!("store: a ring across the seam: {}", within(ring, &uses))),
            );
        }
    }
    for (name, most) in LAYER_RING_MAX {
        let uses = layers(&Modules::read(name, &sources).uses());
        for ring in rings(&uses).iter().filter(|ring| ring.len() > most) {
            let (count, within) = (ring.len(), within(ring, &uses));
            violations.push(format!("{name}: a ring of {count} layers, {most} at most: {within}"));
        }
    }
    Ok(violations)
}

/// What modules at the top of the crate use of each other, each with all that is below it.
fn layers(uses: &Uses) -> Uses {
    let mut layers = Uses::new();
    for (module, used) in uses {
        let [top, ..] = module.as_slice() else { continue };
        let used = used.iter().filter_map(|used| used.first()).filter(|used| *used != top);
        let used = used.map(|used| vec![used.clone()]);
        layers.entry(vec![top.clone()]).or_default().extend(used);
    }
    layers
}

/// Whether a ring holds modules of the engines and others.
fn crosses_the_seam(ring: &BTreeSet<ModulePath>) -> bool {
    let is_engine = |module: &ModulePath| match module.as_slice() {
        [backend, engine, ..] => backend == "backend" && ENGINES.contains(&engine.as_str()),
        [_] | [] => false,
    };
    ring.iter().any(is_engine) && !ring.iter().all(is_engine)
}

/// Who uses whom in a ring.
fn within(ring: &BTreeSet<ModulePath>, uses: &Uses) -> String {
    let of = |module: &ModulePath| {
        let used = uses.get(module).into_iter().flatten().filter(|used| ring.contains(*used));
        let used: Vec<String> = used.map(|used| used.join("/")).collect();
        format!("\n    {} uses {}", module.join("/"), used.join(", "))
    };
    ring.iter().map(of).collect()
}

/// Which modules each module uses.
type Uses = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

/// Sets of modules each of which uses, by way of others, every other; the largest first.
fn rings(uses: &Uses) -> Vec<BTreeSet<ModulePath>> {
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> =
        uses.keys().map(|from| (from, reached(from, uses))).collect();
    let meets =
        |from: &ModulePath, to: &ModulePath| reached.get(to).is_some_and(|all| all.contains(from));
    let mut found = BTreeSet::new();
    for (from, all) in &reached {
        let ring: BTreeSet<ModulePath> =
            all.iter().filter(|to| meets(from, to)).map(|to| (*to).clone()).collect();
        if ring.len() > 1 {
            found.insert(ring);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|ring| std::cmp::Reverse(ring.len()));
    found
}

/// Every module that one uses, itself or by way of others.
fn reached<'u>(from: &ModulePath, uses: &'u Uses) -> BTreeSet<&'u ModulePath> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&ModulePath> = uses.get(from).into_iter().flatten().collect();
    while let Some(module) = waiting.pop() {
        if reached.insert(module) {
            waiting.extend(uses.get(module).into_iter().flatten());
        }
    }
    reached
}

/// The modules of a crate, and what stands in them.
struct Modules(BTreeMap<ModulePath, Text>);

/// What one module says of others.
#[derive(Default)]
struct Text {
    /// Paths that are brought in with `use`, and whether they are handed on.
    imports: Vec<(Path, bool)>,
    /// Paths of two names and more that stand elsewhere.
    paths: Vec<Path>,
    /// Every name beside those of imports.
    words: BTreeSet<String>,
    /// Children that are compiled for tests alone.
    tests: Vec<String>,
}

/// A path as it is written.
type Path = Vec<String>;

impl Modules {
    fn read(name: &str, sources: &[SourceFile]) -> Self {
        let root = format!("crates/{name}/src/");
        let file = |source: &SourceFile| {
            let module = source.path.strip_prefix(&root)?.strip_suffix(".rs")?;
            let module: ModulePath = module.split('/').map(str::to_owned).collect();
            let module = if matches!(module.as_slice(), [only] if only == "lib" || only == "main") {
                ModulePath::new()
            } else {
                module
            };
            Some((module, Text::read(&source.text)))
        };
        let mut modules: BTreeMap<ModulePath, Text> = sources.iter().filter_map(file).collect();
        let tests: Vec<ModulePath> = modules
            .iter()
            .flat_map(|(module, text)| text.tests.iter().map(|child| below(module, child)))
            .collect();
        modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self(modules)
    }

    /// Which modules each uses; the root of the crate is none of them.
    fn uses(&self) -> Uses {
        let of = |(module, text): (&ModulePath, &Text)| {
            let imports = text.imports.iter().filter(|(path, handed_on)| {
                let name = path.last();
                !handed_on || name.is_some_and(|name| text.words.contains(name))
            });
            let paths = imports.map(|(path, _)| path).chain(&text.paths);
            let used = paths.filter_map(|path| self.where_stands(module, path));
            let used = used.filter(|used| used != module && !used.is_empty()).collect();
            (module.clone(), used)
        };
        self.0.iter().filter(|(module, _)| !module.is_empty()).map(of).collect()
    }

    /// The module in which that stands which a path names; nothing where it is none of this crate's.
    fn where_stands(&self, from: &ModulePath, path: &Path) -> Option<ModulePath> {
        let mut names = path.iter().peekable();
        let mut at = match names.peek()?.as_str() {
            "crate" => ModulePath::new(),
            "super" | "self" => from.clone(),
            child if self.0.contains_key(&below(from, child)) => from.clone(),
            _ => return None,
        };
        while let Some(word) =
            names.next_if(|name| matches!(name.as_str(), "crate" | "super" | "self"))
        {
            if word == "super" {
                at.pop();
            }
        }
        let names: Vec<&String> = names.collect();
        self.below(at, &names, 0)
    }

    /// Goes from a module down the rest of a path, and after whatever is handed on.
    fn below(&self, mut at: ModulePath, names: &[&String], handed: usize) -> Option<ModulePath> {
        /// As often may a name be handed on.
        const HANDED_MAX: usize = 8;
        let mut names = names;
        while let [first, rest @ ..] = names
            && self.0.contains_key(&below(&at, first))
        {
            at = below(&at, first);
            names = rest;
        }
        let text = self.0.get(&at)?;
        let handed_on = names.first().and_then(|name| {
            let mut imports = text.imports.iter().filter(|(_, handed_on)| *handed_on);
            imports.find(|(path, _)| path.last() == Some(name)).map(|(path, _)| path)
        });
        match handed_on {
            Some(path) if handed < HANDED_MAX => {
                let mut names: Vec<&String> = path.iter().collect();
                let mut from = at.clone();
                match names.first().map(|name| name.as_str()) {
                    Some("crate") => {
                        from = ModulePath::new();
                        names.remove(0);
                    }
                    Some("super") => {
                        from.pop();
                        names.remove(0);
                    }
                    Some("self") => {
                        names.remove(0);
                    }
                    Some(_) | None => {}
                }
                self.below(from, &names, handed + 1).or(Some(at))
            }
            Some(_) | None => Some(at),
        }
    }
}

fn below(module: &ModulePath, child: &str) -> ModulePath {
    let mut module = module.clone();
    module.push(child.to_owned());
    module
}

impl Text {
    fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut found = Self::default();
        let mut rest = tokens.as_slice();
        let mut before = ";";
        let mut handed_on = false;
        while let [first, after @ ..] = rest {
            if let Some(after) = strip(rest, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                rest = found.skip_item(after);
                continue;
            }
            match first.as_str() {
                "pub" => handed_on = true,
                "use" => {
                    let end = position(after, ";");
                    let (tree, tail) = after.split_at(end);
                    read_tree(&[], tree, &mut |path| found.imports.push((path, handed_on)));
                    (rest, before, handed_on) = (tail, ";", false);
                    continue;
                }
                ";" | "{" | "}" => handed_on = false,
                name if is_name(name) => {
                    found.words.insert(name.to_owned());
                    let path = path_at(rest);
                    if path.len() > 1 && before != "::" && before != "." {
                        found.paths.push(path);
                    }
                }
                _ => {}
            }
            (rest, before) = (after, first);
        }
        found
    }

    /// What follows an item that is compiled for tests alone.
    fn skip_item<'t>(&mut self, item: &'t [String]) -> &'t [String] {
        if let Some(at) = item.iter().take(5).position(|token| token == "mod")
            && let [_, name, end, ..] = item.get(at..).unwrap_or_default()
            && end == ";"
        {
            self.tests.push(name.clone());
        }
        let is_use = item.iter().take(5).any(|token| token == "use");
        let mut depth = 0_usize;
        for (at, token) in item.iter().enumerate() {
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && token == "}" && !is_use {
                        return item.get(at + 1..).unwrap_or_default();
                    }
                }
                ";" if depth == 0 => return item.get(at + 1..).unwrap_or_default(),
                _ => {}
            }
        }
        &[]
    }
}

/// Every path of a tree of imports; what is renamed is known by its first name.
fn read_tree(before: &[String], tree: &[String], found: &mut impl FnMut(Path)) {
    for branch in split_at_commas(tree) {
        let mut path = before.to_vec();
        let mut rest = branch;
        while let [first, after @ ..] = rest {
            match first.as_str() {
                "{" => {
                    let inside = after.get(..after.len().saturating_sub(1)).unwrap_or_default();
                    read_tree(&path, inside, found);
                    path.clear();
                    break;
                }
                "as" => break,
                "self" if !path.is_empty() => {}
                name if is_name(name) => path.push(name.to_owned()),
                _ => {}
            }
            rest = after;
        }
        if !path.is_empty() {
            found(path);
        }
    }
}

fn split_at_commas(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0_usize;
    let ends = |token: &String| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token == ","
    };
    tokens.split(ends).collect()
}

/// The path that begins with the first token.
fn path_at(tokens: &[String]) -> Path {
    let mut path = Path::new();
    let mut rest = tokens;
    while let [name, after @ ..] = rest {
        if !is_name(name) {
            break;
        }
        path.push(name.clone());
        match after {
            [colons, after @ ..] if colons == "::" => rest = after,
            _ => break,
        }
    }
    path
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn position(tokens: &[String], wanted: &str) -> usize {
    tokens.iter().position(|token| token == wanted).unwrap_or(tokens.len())
}

fn strip<'t>(tokens: &'t [String], start: &[&str]) -> Option<&'t [String]> {
    let begins = tokens.iter().map(String::as_str).take(start.len()).eq(start.iter().copied());
    if begins { tokens.get(start.len()..) } else { None }
}

/// The names and signs of a source, without comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = text_length(rest) {
            length
        } else if is_name(rest) {
            let ends = |letter: char| !letter.is_alphanumeric() && letter != '_';
            rest.find(ends).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        let says = length <= 2 || is_name(token);
        if says
            && !first.is_whitespace()
            && !first.is_ascii_digit()
            && !token.starts_with(['"', '\''])
        {
            found.push(token.to_owned());
        }
        rest = after;
    }
    found
}

/// How long the text, letter or lifetime is that begins here.
fn text_length(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r')).unwrap_or_default();
    let opening = hashes.trim_start_matches('#');
    if opening.starts_with('"') {
        let count = hashes.len() - opening.len();
        let end = format!("\"{}", "#".repeat(count));
        let start = rest.len() - opening.len() + 1;
        let length = rest.get(start..)?.find(&end)?;
        return Some(start + length + end.len());
    }
    let quoted = rest.strip_prefix('b').unwrap_or(rest);
    let quote = quoted.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let start = rest.len() - quoted.len() + 1;
    let mut letters = rest.get(start..)?.char_indices();
    let mut length = 0;
    while let Some((at, letter)) = letters.next() {
        length += 1;
        match letter {
            '\\' => drop(letters.next()),
            end if end == quote && (quote == '"' || length > 1) => return Some(start + at + 1),
            // A lifetime, which no quote ends.
            _ if quote == '\'' && length > 1 => return Some(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_ring_is_too_large() {
        assert_eq!(violations().unwrap(), Vec::<String>::new());
    }

    fn rings_of(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| SourceFile {
            path: format!("crates/a/src/{path}.rs"),
            text: (*text).to_owned(),
        };
        let sources: Vec<SourceFile> = files.iter().map(source).collect();
        let rings = rings(&Modules::read("a", &sources).uses());
        let line = |ring: &BTreeSet<ModulePath>| {
            ring.iter().map(|module| module.join("/")).collect::<Vec<_>>().join(" ")
        };
        rings.iter().map(line).collect()
    }

    #[test]
    fn modules_that_use_each_other_are_found() {
        let lib = ("lib", "mod b; mod c; mod d; pub use c::Far;");
        let check = |b: &str, c: &str, expected: &[&str]| {
            assert_eq!(rings_of(&[lib, ("b", b), ("c", c), ("d", "")]), expected, "{b} | {c}");
        };
        check("use crate::c::X;", "use crate::b::Y;", &["b c"]);
        check("use crate::{d::Z, c::{self, X}};", "fn f() { super::b::y() }", &["b c"]);
        check("use crate::Far;", "struct Far(crate::b::Near);", &["b c"]);
        check("fn f(x: &'static crate::c::X) {}", "use super::b as other;", &["b c"]);
        check("use crate::c::X;", "", &[]);
        check("use crate::c::X;", "// crate::b\nconst A: &str = \"crate::b::Y\";", &[]);
        check(
            "use crate::c::X;",
            "const A: &str = r#\"\" crate::b::Y\"#; const Q: char = '\"';",
            &[],
        );
        check("use crate::c::X;", "#[cfg(test)]\nmod tests { use crate::b::Y; }", &[]);
        check("use crate::c::X;", "#[cfg(test)] use crate::b::{Y, Z};\nuse crate::d::Z;", &[]);
        check("use crate::c::X;", "use other::b::Y; fn f() { a.b::<u8>(); d::b::c() }", &[]);
    }

    #[test]
    fn a_child_that_is_only_declared_or_handed_on_is_not_used() {
        let check = |parent: &str, child: &str, expected: &[&str]| {
            let files = [("lib", "mod p;"), ("p", parent), ("p/c", child)];
            assert_eq!(rings_of(&files), expected, "{parent} | {child}");
        };
        check("mod c;", "use super::X;", &[]);
        check("mod c; pub(crate) use c::Y;", "use super::X;", &[]);
        check("mod c; pub(crate) use c::Y; fn f(y: Y) {}", "use super::X;", &["p p/c"]);
        check("mod c; fn f() { c::y() }", "use super::X;", &["p p/c"]);
        check("mod c; fn f() { c::y() }", "", &[]);
        check("#[cfg(test)]\nmod c; fn f() { c::y() }", "use super::X;", &[]);
    }

    #[test]
    fn a_ring_across_the_seam_is_told() {
        let check = |places: &[&str], crosses: bool| {
            let module = |text: &&str| text.split('/').map(str::to_owned).collect::<ModulePath>();
            assert_eq!(
                crosses_the_seam(&places.iter().map(module).collect()),
                crosses,
                "{places:?}"
            );
        };
        check(&["backend/sqlite", "backend/sqlite/rows", "backend/embedded/health"], false);
        check(&["body", "object"], false);
        check(&["backend/sqlite/rows", "object"], true);
        check(&["backend", "backend/files"], true);
    }

    #[test]
    fn a_layer_is_a_module_with_all_below_it() {
        let files = [
            ("a", "mod b;"),
            ("a/b", "use crate::c::X;"),
            ("c", "mod d; mod e;"),
            ("c/d", "use crate::a::X;"),
            ("c/e", "use crate::f::X;"),
            ("f", ""),
        ];
        let source = |(path, text): (&str, &str)| SourceFile {
            path: format!("crates/a/src/{path}.rs"),
            text: text.to_owned(),
        };
        let sources: Vec<SourceFile> = files.into_iter().map(source).collect();
        let uses = Modules::read("a", &sources).uses();
        assert!(rings(&uses).is_empty());
        let ring = BTreeSet::from([vec!["a".to_owned()], vec!["c".to_owned()]]);
        assert_eq!(rings(&layers(&uses)), [ring]);
    }

    #[test]
    fn rings_are_told_apart() {
        let files = [
            ("a", "use crate::b::X;"),
            ("b", "use crate::c::X;"),
            ("c", "use crate::a::X;"),
            ("d", "use crate::{a::X, e::X};"),
            ("e", "use crate::d::X;"),
        ];
        assert_eq!(rings_of(&files), ["a b c", "d e"]);
    }
}
