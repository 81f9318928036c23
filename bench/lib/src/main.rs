//! All cases in turns, so that whatever else the machine does meets all alike; prints ratios.
//!
//! Measured is the CPU time of the thread. The argument is the number of rounds.

use std::time::Duration;

use bench_lib::{Case, cases};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS_DEFAULT: usize = 41;
/// How long one case runs in one round, about.
const TURN: Duration = Duration::from_millis(20);

fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS_DEFAULT, |text| text.parse().unwrap());
    let mut cases = cases();
    let repeats: Vec<u32> = cases.iter_mut().map(calibrate).collect();
    let mut nanoseconds = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            let elapsed = time(&mut cases[at], repeats[at]);
            nanoseconds[at].push(elapsed.as_secs_f64() * 1e9 / f64::from(repeats[at]));
        }
    }
    print(&cases, &nanoseconds);
}

/// How many runs fill a turn.
fn calibrate(case: &mut Case) -> u32 {
    let mut repeats = 64;
    while time(case, repeats) < TURN {
        repeats *= 2;
    }
    repeats
}

fn time(case: &mut Case, repeats: u32) -> Duration {
    let before = thread_cpu();
    for _ in 0..repeats {
        (case.run)();
    }
    thread_cpu() - before
}

fn thread_cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

fn print(cases: &[Case], nanoseconds: &[Vec<f64>]) {
    println!("| | each | a CPU second | time, of the first's |\n|---|---:|---:|---:|");
    for (at, case) in cases.iter().enumerate() {
        let first = cases.iter().position(|other| other.group == case.group).unwrap();
        let each = median(nanoseconds[at].clone());
        let ratios =
            nanoseconds[at].iter().zip(&nanoseconds[first]).map(|(ours, first)| ours / first);
        println!(
            "| {} | {:.2} µs | {:.0} | **{:.2}** |",
            case.name,
            each / 1e3,
            1e9 / each,
            median(ratios.collect())
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
