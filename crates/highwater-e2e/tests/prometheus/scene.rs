//! A demo that has filled its cgroup up to the critical level, where the kernel has killed a neighbour before, and everything
//! that looks on through the real collector.

use std::path::Path;
use std::time::Duration;

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::peers::Peers;
use highwater_e2e::process::Program;
use highwater_e2e::{MIB, wait};

pub(crate) const SERVICE: &str = "scene";
pub(crate) const INSTANCE: &str = "scene-1";

pub(crate) struct Scene {
    // Dropped in this order: the cgroup can be removed when the demo has ended.
    _demo: Demo,
    pub(crate) cgroup: Cgroup,
    pub(crate) peers: Peers,
}

impl Scene {
    /// `None` where there is no cgroup to be had.
    #[track_caller]
    pub(crate) fn at_critical(test: &str) -> Option<Self> {
        let cgroup = Cgroup::limited(test, 64 * MIB)?;
        let peers = Peers::that_are_watched();
        // The rules as they are, looked at more often.
        peers.prometheus.configure(|config| {
            assert!(config.contains("evaluation_interval: 15s"), "{config}");
            config.replace("evaluation_interval: 15s", "evaluation_interval: 1s")
        });
        let resource = format!("service.instance.id={INSTANCE}");
        let mut variables = vec![
            ("OTEL_SERVICE_NAME", SERVICE),
            ("OTEL_RESOURCE_ATTRIBUTES", &resource),
            ("HIGHWATER_METRICS", "all"),
            ("HIGHWATER_HOLD_ELEVATED", "1s"),
            ("HIGHWATER_HOLD_HIGH", "1s"),
            // The shortest that there are: growth and forecast are known within the time that the climb takes.
            ("HIGHWATER_GROWTH_SLOW", "30s"),
            ("HIGHWATER_GROWTH_FAST", "26s"),
            ("HIGHWATER_GROWTH_RAMP", "24s"),
            ("HIGHWATER_GROWTH_WARM_UP", "1s"),
        ];
        variables.extend(peers.variables());
        let demo = Demo::start(Some(&cgroup), &variables);
        // While the demo is small, the kernel takes the neighbour, which keeps all of a line that does not end.
        let kills = format!("highwater_cgroup_oom_kills_total{{instance=\"{INSTANCE}\"}}");
        peers.prometheus.wait_for(&kills, |count| count == 0.0);
        let killed = Program::within(Some(&cgroup), Path::new("/usr/bin/tail")).arg("/dev/zero").start().wait();
        assert!(!killed.success(), "{killed}");
        // Steadily, so that growth is seen, and until the demo takes no more.
        wait::steadily(Duration::from_millis(400), 1_000, || demo.get("/allocate").status == 507);
        demo.wait_for_level("critical");
        Some(Self { _demo: demo, cgroup, peers })
    }
}
