//! What asking costs a request.
//!
//! `cargo bench -p highwater-middleware --features tower`
//!
//! The middleware before a service that does nothing, beside that service alone, in batches that alternate, so that a busy
//! machine slows both; medians of the batches. Then what [`LoadShed::admit`] takes by itself: at level normal, and at high for
//! a request that is admitted and for one that is turned away.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot be set up stops, and it needs a clock"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use highwater::{Agent, Builder, Bytes, Level, Threshold};
use highwater_middleware::{LoadShed, Share};

/// How often each is timed.
const ROUNDS: usize = 1_000;
/// Requests of one round.
const BATCH: u32 = 1_000;

fn main() {
    header();
    println!("\n{:<52} {:>9}", "median of", "a request");
    let calm = agent(Agent::builder());
    let shed = LoadShed::new(calm.pressure()).exempt("/status").exempt_below("/admin/");
    one("nothing but the loop", || "/work");
    one("admit at normal", || shed.admit("/work"));
    tower::compare(&shed);
    calm.shutdown(Duration::from_secs(10));

    let raised = Agent::builder()
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .level(Level::High, Threshold::Amount(Bytes::kib(2)))
        .level(Level::Critical, Threshold::Amount(Bytes::gib(1 << 20)))
        .hold(Level::High, Duration::ZERO);
    let raised = agent(raised);
    let pressure = raised.pressure();
    while pressure.level() != Level::High {
        pressure.wait(pressure.level(), Duration::from_secs(10)).unwrap();
    }
    let shed = LoadShed::new(pressure).exempt("/status").exempt_below("/admin/");
    one("admit at high, exempt", || shed.admit("/status"));
    one("admit at high, every second turned away", || shed.admit("/work"));
    let all = shed.from_level(Level::High, Share::ALL);
    one("admit at high, all turned away", || all.admit("/work"));
}

fn agent(builder: Builder) -> Agent {
    builder.start().unwrap()
}

fn header() {
    let line = |path: &str, key: &str| {
        let content = std::fs::read_to_string(path).unwrap_or_default();
        let line = content.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.rsplit_once(": ").map_or(line, |(_, value)| value).to_owned()
    };
    let rustc = std::process::Command::new("rustc").arg("-V").output().map(|output| output.stdout).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine    {}, {processors} processors", line("/proc/cpuinfo", "model name"));
    println!("system     {}", line("/proc/version", "Linux"));
    println!("toolchain  {}", String::from_utf8_lossy(&rustc).trim());
    println!("command    cargo bench -p highwater-middleware --features tower");
    println!("load       {}", line("/proc/loadavg", ""));
}

fn one<T>(name: &str, mut work: impl FnMut() -> T) {
    print(name, median((0..ROUNDS).map(|_| batch(&mut work)).collect()));
}

fn print(name: &str, nanoseconds: f64) {
    println!("{name:<52} {nanoseconds:>6.2} ns");
}

/// Nanoseconds for one call, over a batch.
fn batch<T>(work: &mut impl FnMut() -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..BATCH {
        black_box(work());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

#[cfg(feature = "tower")]
mod tower {
    use std::convert::Infallible;
    use std::future::{Ready, ready};
    use std::hint::black_box;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use axum::http::{Request, Response};
    use highwater_middleware::LoadShed;
    use tower::{Layer, Service};

    #[derive(Clone)]
    struct Nothing;

    impl Service<Request<()>> for Nothing {
        type Response = Response<&'static str>;
        type Error = Infallible;
        type Future = Ready<Result<Response<&'static str>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Ok(Response::new("")))
        }
    }

    pub(super) fn compare(shed: &LoadShed) {
        let (mut alone, mut wrapped) = (Nothing, shed.layer(Nothing));
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..super::ROUNDS {
            without.push(super::batch(&mut || call(&mut alone)));
            with.push(super::batch(&mut || call(&mut wrapped)));
        }
        super::print("a request and its answer, service alone", super::median(without));
        super::print("the same through the layer, at normal", super::median(with));
    }

    fn call<S: Service<Request<()>>>(service: &mut S) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let request = Request::builder().uri("/work").body(()).unwrap();
        let ready = service.poll_ready(&mut context).is_ready();
        let answer = pin!(service.call(black_box(request)));
        black_box(answer.poll(&mut context)).is_ready() && ready
    }
}

#[cfg(not(feature = "tower"))]
mod tower {
    pub(super) fn compare(_: &highwater_middleware::LoadShed) {}
}
