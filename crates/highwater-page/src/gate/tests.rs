use http::header::{LOCATION, SET_COOKIE};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn gate(is_loopback: bool, hosts: &[&str], token: Option<&str>) -> Gate {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    Gate::new(is_loopback, hosts, token.map(str::to_owned))
}

/// The status of what is refused, and where it is sent and given which cookie; nothing of what is let in.
fn asked(gate: &Gate, uri: &str, headers: &[(&'static str, &str)]) -> Option<(u16, String, String)> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let refused = gate.check(&uri.parse().unwrap(), &map).err()?;
    let header =
        |name| refused.headers().get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    Some((refused.status().as_u16(), header(LOCATION), header(SET_COOKIE)))
}

fn is_let_in(gate: &Gate, host: &str) -> bool {
    asked(gate, "/", &[("host", host)]).is_none()
}

#[test]
fn on_loopback_only_the_names_of_this_machine_are_known() {
    let gate = gate(true, &[], None);
    for host in ["localhost", "LOCALHOST:7070", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:65535", "127.0.0.2:7070"] {
        assert!(is_let_in(&gate, host), "{host}");
    }
    for host in [
        "",
        "evil.example",
        "evil.example:7070",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1:7070",
        "localhost:7070.evil.example",
        "localhost:",
        "localhost:x",
        "[::1",
        "::1",
        "[::2]",
        "localhost:7070:7070",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost, evil.example",
        "localhost@evil.example",
        "[::1]evil.example",
        "localhost.",
    ] {
        // No port after a colon is the same as none.
        let expected = host == "localhost:";
        assert_eq!(is_let_in(&gate, host), expected, "{host:?}");
    }
}

#[test]
fn elsewhere_addresses_are_known_and_names_that_were_given() {
    let gate = gate(false, &["memory.example.org"], None);
    for host in ["10.0.0.1:7070", "[fe80::1]:7070", "memory.example.org", "Memory.Example.org:7070", "localhost"] {
        assert!(is_let_in(&gate, host), "{host}");
    }
    for host in ["example.org", "evil.memory.example.org", "memory.example.org.evil.example"] {
        assert!(!is_let_in(&gate, host), "{host}");
    }
}

#[test]
fn a_request_has_one_host_and_an_address_in_its_first_line_counts_as_well() {
    let gate = gate(true, &[], None);
    let refused = Some((403, String::new(), String::new()));
    assert_eq!(asked(&gate, "/", &[]), refused);
    assert_eq!(asked(&gate, "/", &[("host", "localhost"), ("host", "evil.example")]), refused);
    assert_eq!(asked(&gate, "http://evil.example/", &[("host", "localhost")]), refused);
    assert_eq!(asked(&gate, "http://localhost:7070/", &[("host", "localhost:7070")]), None);
}

#[test]
fn a_token_in_the_address_becomes_a_cookie_and_leaves_the_address() {
    let gate = gate(false, &[], Some(SECRET));
    let ask = |uri: &str| asked(&gate, uri, &[("host", "10.0.0.1")]);
    let cookie = format!("{}={SECRET}; Path=/; HttpOnly; SameSite=Lax", cookie(SECRET));
    let welcome = |to: &str| Some((303, to.to_owned(), cookie.clone()));
    assert_eq!(ask(&format!("/?token={SECRET}")), welcome("./"));
    assert_eq!(ask(&format!("/export.json?a=1&token={SECRET}&b=2")), welcome("./export.json?a=1&b=2"));
    assert_eq!(ask(&format!("//evil.example/x?token={SECRET}")), welcome("./x"), "it never leads elsewhere");
    assert_eq!(ask(&format!("/javascript:alert(1)?token={SECRET}")), welcome("./javascript:alert(1)"));
    let refused = Some((401, String::new(), String::new()));
    for uri in ["/", "/?token=", "/?token", "/api/snapshot?token=0123456789abcdef0123456789abcdeF", "/?Token=x"] {
        assert_eq!(ask(uri), refused, "{uri}");
    }
}

#[test]
fn a_token_leaves_the_address_of_who_is_known_too() {
    let gate = gate(true, &[], Some(SECRET));
    let cookie = format!("{}={SECRET}", cookie(SECRET));
    let ask = |uri: &str| asked(&gate, uri, &[("host", "localhost"), ("cookie", &cookie)]).map(|(_, to, _)| to);
    assert_eq!(ask(&format!("/?token={SECRET}")).as_deref(), Some("./"));
    assert_eq!(ask("/?token=of-the-run-before").as_deref(), Some("./"));
    assert_eq!(ask("/"), None);
}

#[test]
fn a_cookie_or_a_bearer_of_the_token_is_let_in_and_nothing_else() {
    let gate = gate(true, &[], Some(SECRET));
    let ask = |name: &'static str, value: &str| asked(&gate, "/", &[("host", "localhost"), (name, value)]).is_none();
    let name = cookie(SECRET);
    assert!(ask("cookie", &format!("{name}={SECRET}")));
    assert!(ask("cookie", &format!("other=1; {name}={SECRET}; more=2")));
    assert!(ask("cookie", &format!("{name}=old; {name}={SECRET}")));
    assert!(ask("authorization", &format!("Bearer {SECRET}")));
    assert!(ask("authorization", &format!("bearer {SECRET}")));
    assert!(!ask("cookie", &format!("{}={SECRET}", cookie("of-another-server"))), "another server's on this host");
    assert!(!ask("cookie", &format!("{name}={SECRET}0")));
    assert!(!ask("cookie", &format!("{name}={}", &SECRET[1..])));
    assert!(!ask("cookie", &format!("{name}=")));
    assert!(!ask("authorization", &format!("Basic {SECRET}")));
    assert!(!ask("authorization", SECRET));
    assert!(!ask("x-token", SECRET));
}

/// Of two containers that are published at two ports of one host, each bound to the same one inside.
#[test]
fn the_cookies_of_two_tokens_have_two_names_that_tell_nothing_of_them() {
    let names = [cookie(SECRET), cookie("correct-horse-battery")];
    assert_ne!(names[0], names[1]);
    for name in names {
        let hash = name.strip_prefix("highwater_page_").unwrap();
        assert!(hash.len() == 8 && !SECRET.contains(hash), "{name}");
    }
}

#[test]
fn the_token_is_in_no_debug_text() {
    assert!(!format!("{:?}", gate(false, &[], Some(SECRET))).contains(SECRET));
}

proptest! {
    #[test]
    fn no_header_and_no_query_gets_in_by_chance(
        host in "[ -~]{0,40}",
        cookie in "[ -~]{0,80}",
        authorization in "[ -~]{0,80}",
        query in "[!-~&&[^#]]{0,80}",
    ) {
        let gate = gate(true, &[], Some(SECRET));
        let headers = [("host", &*host), ("cookie", &*cookie), ("authorization", &*authorization)];
        let Ok(uri) = format!("/?{query}").parse::<Uri>() else { return Ok(()) };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let refused = gate.check(&uri, &map).unwrap_err();
        let is_host = matches!(without_port(&host), Some(name) if name.eq_ignore_ascii_case("localhost"));
        prop_assert!(matches!(refused.status().as_u16(), 401 | 403));
        if is_host {
            prop_assert_eq!(refused.status().as_u16(), 401);
        }
    }

    #[test]
    fn only_equal_texts_are_the_same(one in "[a-f0-9]{0,6}", other in "[a-f0-9]{0,6}") {
        prop_assert_eq!(is_same(&one, &other), one == other);
        prop_assert!(is_same(&one, &one));
    }
}
