//! Throughput in paired rounds, median: the demo with the agent against the same binary with `HIGHWATER_DISABLED=true`, and
//! a service that does little else than allocate with heap profiles at several rates against the same binary with
//! sampling off; then the same service with profiles compiled in and turned off against one whose jemalloc has none. Two
//! pairs are of equals: what they are off from 1 the machine has done.
//!
//! `make bench` builds the three programs and runs it. Both processes of a pair run side by side and take turns under the
//! same load, so that what the machine does otherwise falls on both. Both run on the first processor alone, agent's threads
//! included, and the load comes from the second, several requests at a time, so that the processor of the service is what
//! bounds it. The agent has its default settings and sends to a socket that takes what comes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::path::Path;
use std::time::Duration;

mod load;

use load::{Load, collector, load, start, step_aside};

const ROUNDS: usize = 200;
/// Short, so that both of a pair see the same machine.
const ROUND: Duration = Duration::from_millis(200);

fn main() {
    step_aside();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
    let demo = std::env::var_os("DEMO").map_or(folder.join("demo"), Into::into);
    let endpoint = collector();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str());
    compare("with the agent / without", [(&demo, &[endpoint]), (&demo, &[("HIGHWATER_DISABLED", "true")])]);

    let allocating = folder.join("examples/allocating");
    let sampling = |conf| [endpoint, ("_RJEM_MALLOC_CONF", conf)];
    for conf in ["lg_prof_sample:19", "lg_prof_sample:20", "lg_prof_sample:21", "prof_active:false"] {
        let title = format!("allocating, {conf} / prof_active:false");
        compare(&title, [(&allocating, &sampling(conf)), (&allocating, &sampling("prof_active:false"))]);
    }
    let unprofiled = folder.join("../hosts/release/unprofiled");
    for conf in ["prof:false", "prof_active:false", "lg_prof_sample:21"] {
        let title = format!("allocating, {conf} / without profiles in it");
        compare(&title, [(&allocating, &sampling(conf)), (&unprofiled, &[endpoint])]);
    }
    compare("allocating, without profiles in it / the same", [(&unprofiled, &[endpoint]), (&unprofiled, &[endpoint])]);
}

/// Two processes side by side, each a program with its environment, which take turns under the same load.
fn compare(title: &str, subjects: [(&Path, &[(&str, &str)]); 2]) {
    let [(mut first, first_address), (mut second, second_address)] =
        subjects.map(|(program, environment)| start(program, environment));
    let first_load = || load(first.id(), first_address, ROUND);
    let second_load = || load(second.id(), second_address, ROUND);
    first_load();
    second_load();
    let (mut throughput, mut work) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who goes first changes, so that a drift of the machine favours neither.
        let (a, b): (Load, Load) = if round % 2 == 0 {
            let a = first_load();
            (a, second_load())
        } else {
            let b = second_load();
            (first_load(), b)
        };
        throughput.push(a.per_second / b.per_second);
        work.push(a.per_cpu_second / b.per_cpu_second);
    }
    println!("{title}, {ROUNDS} paired rounds of {} s: median (quartiles)", ROUND.as_secs_f64());
    println!("requests per second             {}", quartiles(throughput));
    println!("requests per second of its CPU  {}", quartiles(work));
    for child in [&mut first, &mut second] {
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn quartiles(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios[(ratios.len() - 1) * share / 4];
    format!("{:.4} ({:.4} to {:.4})", at(2), at(1), at(3))
}
