//! What the ledger costs: `cargo run --release -p ledger --example many_uses -- DIR USES LINKS`. Uses of links at random are
//! recorded as fast as the writer takes them; then pages are asked for. A second ledger has uses of 10,000 of its links alone.
//! With `DIR USES LINKS rows`, each use is a row with four indexes instead, to compare; with `local`, links are used while they
//! are young, 20,000 at a time, and the last tenth at random; with `ask`, only pages are asked for. The figures are in `bench/RESULTS.md`.
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool that measures"
)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ledger::{
    Ledger, LinkFacts, LinkQuery, LinkScope, LinkSubject, LinkUse, QUEUE_MAX, SignerFacts, UseQuery,
};
use presign::Fingerprint;

/// Links that are hot in the second ledger.
const HOT: u64 = 10_000;
/// Links that are used at the same time, when they are used while they are young.
const YOUNG: u64 = 20_000;
/// Pages of each kind that are asked for.
const PAGES: u64 = 200;
/// Uses of a page, as a surface would ask for.
const PAGE: usize = 100;
/// Uses between two looks at how much waits.
const BURST: u64 = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let directory = PathBuf::from(&arguments[1]);
    let (uses, links) = (arguments[2].parse().unwrap(), arguments[3].parse().unwrap());
    std::fs::create_dir_all(&directory).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match arguments.get(4).map(String::as_str) {
        Some("rows") => write_rows(&directory, uses, links),
        Some("ask") => runtime.block_on(ask(&directory, links)),
        _ => runtime.block_on(async {
            let local = arguments.get(4).is_some_and(|mode| mode == "local");
            fill(&directory, uses, links, local).await;
            ask(&directory, links).await;
        }),
    }
}

async fn fill(directory: &Path, uses: u64, links: u64, local: bool) {
    let ledger = Ledger::open(&directory.join("ledger.sqlite"), 10_000, at(0)).unwrap();
    let mut random = 1;
    if local {
        let young = Fill { name: "20,000 links at a time", uses: uses / 10 * 9, first: 0 };
        let each = young.uses / links.max(1);
        let mut link = |n: u64| n / each.max(1) / YOUNG * YOUNG + next(&mut random) % YOUNG;
        young.run(&ledger, |n| link(n).min(links - 1)).await;
        let rest = Fill { name: "all links at random", uses: uses / 10, first: young.uses };
        rest.run(&ledger, |_| next(&mut random) % links).await;
        return tell_size(&ledger).await;
    }
    let all = Fill { name: "each link once, which are new", uses: links, first: 0 };
    all.run(&ledger, |n| n).await;
    let hot = Fill { name: "10,000 hot links, spread over all", uses: uses / 4, first: links };
    hot.run(&ledger, |_| next(&mut random) % HOT.min(links) * (links / HOT).max(1)).await;
    let scattered =
        Fill { name: "all links at random", uses: uses - uses / 4, first: links + uses / 4 };
    scattered.run(&ledger, |_| next(&mut random) % links).await;
    tell_size(&ledger).await;
}

async fn tell_size(ledger: &Ledger) {
    let counts = ledger.counts();
    println!("{counts:?}; {} MB resident", resident_bytes() / 1_000_000);
    ledger.close().await;
    println!("closed: {} MB of file", ledger.counts().file_bytes / 1_000_000);
}

/// Uses that are recorded one after the other.
struct Fill {
    name: &'static str,
    uses: u64,
    /// How many were recorded before.
    first: u64,
}

impl Fill {
    async fn run(&self, ledger: &Ledger, mut link: impl FnMut(u64) -> u64) {
        // The writer's thread has its name once it has answered.
        ledger.flush().await;
        let lost = ledger.lost();
        let (writer, begun) = (cpu_of_writer(), Instant::now());
        let (mut recording, mut done) = (Duration::ZERO, 0);
        let mut burst = Vec::new();
        while done < self.uses {
            while ledger.counts().queued > QUEUE_MAX / 4 {
                std::thread::sleep(Duration::from_millis(1));
            }
            let count = BURST.min(self.uses - done);
            burst.clear();
            burst.extend((done..done + count).map(|n| {
                let number = link(n);
                (number, fingerprint(number), self.first + n)
            }));
            let before = Instant::now();
            for (number, fingerprint, n) in &burst {
                record(ledger, *number, *fingerprint, *n);
            }
            recording += before.elapsed();
            done += count;
        }
        ledger.flush().await;
        let uses = f64::from(u32::try_from(self.uses).unwrap());
        println!(
            "{}: {} uses in {:.1} s, {} lost; record {:.0} ns; writer {:.2} µs of CPU a use",
            self.name,
            self.uses,
            begun.elapsed().as_secs_f64(),
            ledger.lost() - lost,
            recording.as_secs_f64() * 1e9 / uses,
            cpu_of_writer().saturating_sub(writer).as_secs_f64() * 1e6 / uses,
        );
    }
}

fn record(ledger: &Ledger, number: u64, link: Fingerprint, n: u64) {
    let agents: [&[u8]; 4] = [
        b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 Version/26.0 Mobile Safari/604.1",
        b"Boto3/1.40.1 md/Botocore#1.40.1 ua/2.1 os/linux#6.8 md/arch#x86_64 lang/python#3.12.3",
        b"curl/8.5.0",
    ];
    let [a, b, .., c, _] = (n / 7).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let failed = n.is_multiple_of(50);
    let used = LinkUse {
        link,
        operation: "GetObject",
        key: None,
        status: if failed { 403 } else { 200 },
        code: failed.then_some("AccessDenied"),
        version: None,
        bytes: n.wrapping_mul(7919) % 5_000_000,
        duration: Duration::from_micros(200 + n % 3000),
        address: Some(IpAddr::from([10, a & 3, b, c])),
        agent: Some(agents[usize::try_from(n % 4).unwrap()]),
        at: at(i64::try_from(n / 30).unwrap()),
    };
    ledger.record(&used, || Box::new(move || facts(number)));
}

/// Two hundred signers of two accounts; an object for two links; a label for ten, of every second link.
fn facts(number: u64) -> LinkFacts {
    let signer = number % 200;
    let account = format!("{:012}", signer % 2);
    LinkFacts {
        signer: SignerFacts {
            arn: format!("arn:aws:iam::{account}:user/user-{signer}"),
            user_id: format!("AIDAIOSFODNN7{signer:06}"),
            access_key_id: format!("AKIAIOSFODNN7{signer:06}"),
            account: account.clone(),
        },
        bucket_account: account,
        bucket: format!("bucket-{}", signer % 20),
        key: object_key(number),
        operation: "GetObject".to_owned(),
        label: number
            .is_multiple_of(2)
            .then(|| format!("offer {}", number / 20 % 50_000).parse().unwrap()),
        signed_at: Some(at(0)),
        ends_at: Some(at(7 * 24 * 3600 * 1000)),
    }
}

/// The links `n` and `n + 200` share an object, and a hundred objects a folder.
fn object_key(number: u64) -> String {
    let object = number / 400 * 200 + number % 200;
    format!("customers/{:05}/report-{object}.pdf", object / 2000)
}

async fn ask(directory: &Path, links: u64) {
    let path = directory.join("ledger.sqlite");
    let ledger = Ledger::open(&path, 10_000, at(0)).unwrap();
    let before = Instant::now();
    drop_from_cache(&path);
    ask_uses(&ledger, "the first page after the file left the cache, by label", 1, |_| {
        let facts = facts(links / 3 / 2 * 2);
        by(&facts, |query, facts| query.label = facts.label.as_ref().map(|l| l.as_str().to_owned()))
    })
    .await;
    println!("opened and asked {:.0} ms", before.elapsed().as_secs_f64() * 1e3);
    let mut random = 7;
    let mut some = move || facts(next(&mut random) % links / 2 * 2);
    ask_uses(&ledger, "uses by link", PAGES, {
        let mut random = 9;
        move |_| {
            let number = next(&mut random) % links;
            let name = fingerprint(number).to_string().parse().unwrap();
            by(&facts(number), |query, _| query.link = Some(name))
        }
    })
    .await;
    ask_uses(&ledger, "uses by object", PAGES, |_| {
        by(&some(), |query, facts| {
            let (bucket, key) = (facts.bucket.clone(), facts.key.clone());
            query.subject = Some(LinkSubject::Object { bucket, key });
        })
    })
    .await;
    let signer =
        |query: &mut UseQuery, facts: &LinkFacts| query.signer = Some(facts.signer.arn.clone());
    ask_uses(&ledger, "uses by signer", PAGES, |_| by(&some(), signer)).await;
    let label = |query: &mut UseQuery, facts: &LinkFacts| {
        query.label = facts.label.as_ref().map(|label| label.as_str().to_owned());
    };
    ask_uses(&ledger, "uses by label", PAGES, |_| by(&some(), label)).await;
    let prefix = |query: &mut UseQuery, facts: &LinkFacts| {
        let (prefix, _) = facts.key.rsplit_once('/').unwrap();
        let (bucket, prefix) = (facts.bucket.clone(), prefix.to_owned());
        query.subject = Some(LinkSubject::Prefix { bucket, prefix });
    };
    ask_uses(&ledger, "uses by prefix of 100 objects", PAGES, |_| by(&some(), prefix)).await;
    let wide = |query: &mut UseQuery, facts: &LinkFacts| {
        let (bucket, prefix) = (facts.bucket.clone(), "customers/0".to_owned());
        query.subject = Some(LinkSubject::Prefix { bucket, prefix });
    };
    ask_uses(&ledger, "uses by prefix of all objects", PAGES, |_| by(&some(), wide)).await;
    ask_uses(&ledger, "uses of an account", PAGES, |_| by(&some(), |_, _| {})).await;
    ask_links(&ledger, links).await;
    println!("{} MB resident", resident_bytes() / 1_000_000);
    ledger.close().await;
}

async fn ask_links(ledger: &Ledger, links: u64) {
    let mut random = 11;
    for name in ["object", "signer", "label", "prefix"] {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..PAGES {
            let facts = facts(next(&mut random) % links / 2 * 2);
            let mut query = LinkQuery::new(LinkScope::of_account(&facts.signer.account));
            query.limit = PAGE;
            let (bucket, key) = (facts.bucket.clone(), facts.key.clone());
            match name {
                "object" => query.subject = Some(LinkSubject::Object { bucket, key }),
                "signer" => query.signer = Some(facts.signer.arn.clone()),
                "label" => query.label = facts.label.as_ref().map(|l| l.as_str().to_owned()),
                _ => {
                    let (prefix, _) = key.rsplit_once('/').unwrap();
                    let prefix = prefix.to_owned();
                    query.subject = Some(LinkSubject::Prefix { bucket, prefix });
                }
            }
            let before = Instant::now();
            let page = ledger.links(query).await.unwrap();
            times.push(before.elapsed());
            found += page.links.len();
        }
        tell(&format!("links by {name}"), &mut times, found);
    }
}

fn by(facts: &LinkFacts, ask: impl FnOnce(&mut UseQuery, &LinkFacts)) -> UseQuery {
    let mut query = UseQuery::new(LinkScope::of_account(&facts.signer.account));
    query.limit = PAGE;
    ask(&mut query, facts);
    query
}

async fn ask_uses(ledger: &Ledger, name: &str, pages: u64, mut query: impl FnMut(u64) -> UseQuery) {
    let (mut times, mut found) = (Vec::new(), 0);
    for n in 0..pages {
        let query = query(n);
        let before = Instant::now();
        let page = ledger.uses(query).await.unwrap();
        times.push(before.elapsed());
        found += page.uses.len();
    }
    tell(name, &mut times, found);
}

fn tell(name: &str, times: &mut [Duration], found: usize) {
    times.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let each = found / times.len();
    println!("{name}: median {:.1} ms, worst {:.1} ms, {each} rows a page", ms(median), ms(worst));
}

/// Each use a row with four indexes, as one would begin.
fn write_rows(directory: &Path, uses: u64, links: u64) {
    let mut connection = rusqlite::Connection::open(directory.join("rows.sqlite")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;
             CREATE TABLE uses (number INTEGER PRIMARY KEY, at INTEGER, link INTEGER,
               object INTEGER, signer INTEGER, label INTEGER, status INTEGER, bytes INTEGER,
               duration INTEGER, address BLOB, agent INTEGER);
             CREATE INDEX by_link ON uses (link); CREATE INDEX by_object ON uses (object);
             CREATE INDEX by_signer ON uses (signer); CREATE INDEX by_label ON uses (label);",
        )
        .unwrap();
    let mut random = 1;
    let (begun, mut done) = (process_cpu(), 0);
    while done < uses {
        let transaction = connection.transaction().unwrap();
        let mut statement = transaction
            .prepare_cached("INSERT INTO uses VALUES (NULL,?1,?2,?3,?4,?5,200,?6,?7,?8,?9)")
            .unwrap();
        for n in done..(done + 16_384).min(uses) {
            let link =
                i64::try_from(next(&mut random) % HOT.min(links) * (links / HOT).max(1)).unwrap();
            let n = i64::try_from(n).unwrap();
            let address = [10_u8, 1, 2, 3];
            statement
                .execute((
                    n / 30,
                    link,
                    link / 2,
                    link % 200,
                    link / 20,
                    n,
                    n % 3000,
                    address,
                    n % 4,
                ))
                .unwrap();
        }
        drop(statement);
        transaction.commit().unwrap();
        done += 16_384;
    }
    let each = process_cpu().saturating_sub(begun).as_secs_f64() * 1e6
        / f64::from(u32::try_from(uses).unwrap());
    println!("a row a use: {each:.2} µs of CPU a use, hot links");
}

/// Asks the system to forget what it has of the file.
fn drop_from_cache(path: &Path) {
    let status = std::process::Command::new("dd")
        .args(["of=/dev/null", "count=0", "iflag=nocache", "status=none"])
        .arg(format!("if={}", path.display()))
        .status();
    println!("dropped from the cache: {}", status.unwrap().success());
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn fingerprint(n: u64) -> Fingerprint {
    Fingerprint::of_signature(&n.to_be_bytes())
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_millis(milliseconds)
}

/// The CPU time of the ledger's thread, in ticks of 10 ms.
fn cpu_of_writer() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |path: &Path| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
    let task = tasks.map(|task| task.unwrap().path()).find(|path| name(path).trim() == "ledger");
    cpu_of(&task.unwrap().join("stat"))
}

fn process_cpu() -> Duration {
    cpu_of(Path::new("/proc/self/stat"))
}

fn cpu_of(stat: &Path) -> Duration {
    let text = std::fs::read_to_string(stat).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

/// The resident memory of this process, in bytes, in pages of 4096.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
