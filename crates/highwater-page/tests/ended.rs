//! The page of an agent that has ended, and that it keeps none alive.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use highwater::{Agent, Bytes};
use highwater_page::Page;

mod common;

use common::{Connection, until};

#[test]
fn after_the_agent_s_end_the_page_says_so_to_those_who_look() {
    let agent = Agent::builder().set("OTEL_SDK_DISABLED", "true").events("none").limit(Bytes::gib(64)).start().unwrap();
    let page = Page::builder(&agent).address((Ipv4Addr::LOCALHOST, 0)).start().unwrap();
    let address = page.address().unwrap();
    let verdict = |state: &serde_json::Value| state["verdict"]["kind"].as_str().unwrap().to_owned();
    let mut connection = Connection::open(address);
    until("the agent's first sample is seen", || {
        (verdict(&connection.get("/api/snapshot").json()["state"]) != "not_enough_data").then_some(())
    });
    let observer = agent.observer();
    // The last handle: the page has none.
    drop(agent);
    assert!(!observer.is_running());
    let mut live = Connection::live(address, "/api/live", &[]);
    let last = until("the stream says that it is stale", || {
        let message = live.message().unwrap();
        (message.event == "sample" && verdict(&message.data["state"]) == "stale").then_some(message)
    });
    assert!(last.data.get("row").is_none(), "there is no new sample");
    assert_eq!(verdict(&connection.get("/api/snapshot").json()["state"]), "stale");

    // Nothing to show: no error, and no server.
    let idle = Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap();
    assert!(Page::builder(&idle).start().unwrap().address().is_none());
    drop(idle);

    let second = Agent::builder().set("OTEL_SDK_DISABLED", "true").set("HIGHWATER_PAGE", "off").start().unwrap();
    assert!(highwater_page::start(&second).address().is_none());
    #[cfg(feature = "tower")]
    {
        use tower_service::Service;

        let page = Page::builder(&second).start_mounted().unwrap();
        let request = http::Request::get("/memory/").body(()).unwrap();
        let answer = page.mounted("/memory").call(request).into_inner().unwrap();
        assert_eq!(answer.status(), 503, "off is off for what is mounted, too");
    }
    assert!(second.shutdown(Duration::from_secs(60)));
}
