//! A real browser, driven as a user drives it: Chromium by chromedriver, over the WebDriver protocol.
//!
//! A client of our own, since the protocol is JSON over HTTP and a test needs a dozen of its commands: the crates for it
//! bring an async runtime. What the protocol lacks (dark mode, a phone's width, no network) goes through it to Chromium's
//! own protocol.
//!
//! A browser that is missing fails the test, with the remedy: all that it is for is what a browser shows.

use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::process::{Process, Program};
use crate::{environment, wait};

const REMEDY: &str = "Debian's packages chromium and chromium-driver have both; `.ci/run` installs them";
/// Defines `$` for scripts.
const FIND: &str = "const $ = (selector) => document.querySelector(selector);";
/// As root in a container, and quiet: nothing is asked of the network but what a test asks.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
];

/// A browser that runs.
#[derive(Debug)]
pub struct Browser {
    session: String,
    turn: Mutex<()>,
    _driver: Process,
    _profile: Folder,
}

/// A tab of it, which no other test sees, closed at its end.
#[derive(Debug)]
pub struct Tab<'a> {
    browser: &'a Browser,
    first: String,
    width: Cell<u32>,
    _turn: MutexGuard<'a, ()>,
}

impl Browser {
    /// The browser of this test binary: its tests share it, one after the other, and the last one ends it.
    #[track_caller]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Browser>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(browser) = shared.upgrade() {
            return browser;
        }
        let browser = Arc::new(Self::start());
        *shared = Arc::downgrade(&browser);
        browser
    }

    #[track_caller]
    fn start() -> Self {
        let path = environment::variable("PATH").unwrap_or_default();
        let program =
            std::env::split_paths(&path).map(|folder| folder.join("chromedriver")).find(|file| file.is_file());
        let program = program.unwrap_or_else(|| panic!("no chromedriver to test the page with: {REMEDY}"));
        let profile = Folder::temporary();
        let mut driver = Program::at(&program).arg("--port=0").variable("HOME", profile.path()).start();
        let port = wait::until_ok("chromedriver serves", || {
            assert!(driver.ended().is_none(), "chromedriver ended at its start: {}", driver.error());
            let words = driver.output();
            let port = words.split("started successfully on port ").nth(1).and_then(|rest| rest.split('.').next());
            port.map(str::to_owned).ok_or(words)
        });
        let address = format!("http://127.0.0.1:{port}/session");
        let data = format!("--user-data-dir={}", profile.path().join("profile").display());
        let flags: Vec<_> = FLAGS.into_iter().chain([data.as_str()]).collect();
        let wanted = json!({ "goog:chromeOptions": { "args": flags }, "goog:loggingPrefs": { "browser": "ALL" }, "timeouts": { "pageLoad": 30_000 } });
        let opened = ask("POST", &address, Some(&json!({ "capabilities": { "alwaysMatch": wanted } })))
            .unwrap_or_else(|why| panic!("chromedriver starts no browser: {why}. {REMEDY}"));
        let session = format!("{address}/{}", opened["sessionId"].as_str().unwrap());
        Self { session, turn: Mutex::new(()), _driver: driver, _profile: profile }
    }

    /// A fresh tab, as wide as a desk's screen, as soon as it is this test's turn.
    #[track_caller]
    pub fn tab(&self) -> Tab<'_> {
        // A test that failed has closed its tab all the same.
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.ask("GET", "/window", None).as_str().unwrap().to_owned();
        let new = self.ask("POST", "/window/new", Some(&json!({ "type": "tab" })));
        self.ask("POST", "/window", Some(&json!({ "handle": new["handle"] })));
        let tab = Tab { browser: self, first, width: Cell::new(0), _turn: turn };
        tab.log();
        tab.resize(1280, 900, 1);
        tab
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        ask(method, &format!("{}{path}", self.session), body).unwrap_or_else(|why| panic!("{method} {path}: {why}"))
    }
}

impl Drop for Browser {
    /// The browser is chromedriver's child, and ends only if it is asked.
    fn drop(&mut self) {
        let _ = ask("DELETE", &self.session, None);
    }
}

impl Tab<'_> {
    /// Opens `url` and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        let (path, body) = (format!("{}/url", self.browser.session), json!({ "url": url }));
        // chromedriver was seen to wait for a page without an end, once.
        if let Err(why) = ask("POST", &path, Some(&body)) {
            eprintln!("{url} is opened once more: {why}");
            self.browser.ask("POST", "/url", Some(&body));
        }
    }

    /// What the body of a function returns in the page. `$` finds an element in it by its selector.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        let script = format!("{FIND} {script}");
        self.browser.ask("POST", "/execute/sync", Some(&json!({ "script": script, "args": [] })))
    }

    /// What the body of an async function returns in the page.
    #[track_caller]
    pub fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "{FIND} const done = arguments[0]; (async () => {{ {script} }})().then(done, (error) => done(String(error)));"
        );
        self.browser.ask("POST", "/execute/async", Some(&json!({ "script": script, "args": [] })))
    }

    /// Waits until an expression in the page is true, with what `told` says of it else.
    #[track_caller]
    pub fn wait_until(&self, what: &str, expression: &str) {
        wait::until_ok(what, || {
            if self.run(&format!("return Boolean({expression});")) == true {
                return Ok(());
            }
            Err(format!(
                "{expression} is not so; the page shows: {}",
                self.run("return document.body.innerText.slice(0, 2000);")
            ))
        });
    }

    /// The text of the first element that a selector finds; nothing where there is none, or it is not shown.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let found = self.run(&format!(
            "const found = $({}); return found?.checkVisibility() ? found.innerText : '';",
            json!(selector)
        ));
        // Figures and their units keep together.
        found.as_str().unwrap().replace(['\u{a0}', '\u{202f}'], " ")
    }

    /// The same of an element that is there for screen readers, or not shown at all.
    #[track_caller]
    pub fn text_of(&self, selector: &str) -> String {
        let found = self.run(&format!("return $({})?.textContent ?? '';", json!(selector)));
        found.as_str().unwrap().replace(['\u{a0}', '\u{202f}'], " ")
    }

    /// Clicks on the first element that a selector finds, as a pointer does: it is scrolled to, and must not be covered.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        let query = json!({ "using": "css selector", "value": selector });
        let element = self.browser.ask("POST", "/element", Some(&query));
        let id = element.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.browser.ask("POST", &format!("/element/{id}/click"), Some(&json!({})));
    }

    /// Presses keys, one after the other. Those without a letter have code points of the protocol's: [`key`].
    #[track_caller]
    pub fn press(&self, keys: &str) {
        let strokes: Vec<_> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() })))
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.browser.ask("POST", "/actions", Some(&actions));
    }

    /// Drags the pointer along an element, between two shares of its width.
    #[track_caller]
    pub fn drag(&self, selector: &str, from: f64, to: f64) {
        let place = self.run(&format!(
            "const element = $({}); element.scrollIntoView({{ block: 'center' }});
             const {{ left, top, width, height }} = element.getBoundingClientRect();
             return [left, top + height / 2, width];",
            json!(selector)
        ));
        let number = |index: usize| place[index].as_f64().unwrap();
        let at = |share: f64| {
            let (x, y) = ((number(0) + number(2) * share) as i64, number(1) as i64);
            json!({ "type": "pointerMove", "duration": 100, "x": x, "y": y })
        };
        let [down, up] = ["pointerDown", "pointerUp"].map(|kind| json!({ "type": kind, "button": 0 }));
        let steps = [at(from), down, at(f64::midpoint(from, to)), at(to), up];
        let mouse =
            json!({ "type": "pointer", "id": "mouse", "parameters": { "pointerType": "mouse" }, "actions": steps });
        let actions = json!({ "actions": [mouse] });
        self.browser.ask("POST", "/actions", Some(&actions));
    }

    /// The visible part of the page becomes so many pixels of CSS large, each of `scale` pixels of the screen.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32, scale: u32) {
        self.width.set(width);
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", &size);
    }

    /// What the user asks of all pages: a dark one, little motion.
    #[track_caller]
    pub fn prefer(&self, scheme: &str, motion: &str) {
        let wishes = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", motion)];
        let features = wishes.map(|(name, value)| json!({ "name": name, "value": value }));
        self.command("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Takes the network away.
    #[track_caller]
    pub fn unplug(&self) {
        self.command("Network.enable", &json!({}));
        let nothing = json!({ "offline": true, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0 });
        self.command("Network.emulateNetworkConditions", &nothing);
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    pub fn command(&self, name: &str, parameters: &Value) -> Value {
        self.browser.ask("POST", "/goog/cdp/execute", Some(&json!({ "cmd": name, "params": parameters })))
    }

    /// What the console has said since it was last asked: complaints of the browser's, among them.
    #[track_caller]
    pub fn log(&self) -> Vec<String> {
        let entries = self.browser.ask("POST", "/se/log", Some(&json!({ "type": "browser" })));
        let line =
            |entry: &Value| format!("{} {}", entry["level"].as_str().unwrap(), entry["message"].as_str().unwrap());
        entries.as_array().unwrap().iter().map(line).collect()
    }

    /// A picture of what is visible, as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        let picture = self.browser.ask("GET", "/screenshot", None);
        base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap()
    }

    /// A picture of the whole page, from top to end, as PNG.
    #[track_caller]
    pub fn whole_picture(&self) -> Vec<u8> {
        let height = self.run("return document.documentElement.scrollHeight;").as_u64().unwrap();
        self.resize(self.width.get(), u32::try_from(height).unwrap(), 1);
        self.picture()
    }
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        let session = &self.browser.session;
        let _ = ask("DELETE", &format!("{session}/window"), None);
        let _ = ask("POST", &format!("{session}/window"), Some(&json!({ "handle": self.first })));
    }
}

/// Keys without a letter, as WebDriver names them.
pub mod key {
    /// Moves the focus on.
    pub const TAB: &str = "\u{e004}";
    /// Does what a focused button does.
    pub const ENTER: &str = "\u{e007}";
    /// Gives up.
    pub const ESCAPE: &str = "\u{e00c}";
    /// To the begin.
    pub const HOME: &str = "\u{e011}";
    /// One to the left.
    pub const LEFT: &str = "\u{e012}";
}

/// One command, and the value of its answer.
fn ask(method: &str, url: &str, body: Option<&Value>) -> Result<Value, String> {
    // Longer than chromedriver itself waits for the browser: its answer says more.
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .proxy(None)
        .build()
        .into();
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(url)
        .header("content-type", "application/json")
        .body(body.map_or_else(String::new, Value::to_string))
        .map_err(|error| error.to_string())?;
    let mut response = agent.run(request).map_err(|error| error.to_string())?;
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string().map_err(|error| error.to_string())?;
    let mut answer: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in: {text}"))?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
        None => Ok(value),
    }
}
