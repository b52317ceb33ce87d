//! The page of an agent: its thread, and the guard that ends it.

use std::error::Error;
use std::fmt;
use std::io::{self, Write as _};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use highwater::__page::{PageAddress, PageToken, has_log, page_hosts, page_url};
use highwater::{Agent, Observer, Severity};
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use crate::gate::Gate;
use crate::keeper::{Keeper, LOOK};
use crate::mount::Mount;
use crate::mounted::Mounted;
use crate::process::ProcessId;
use crate::server;

/// Where [`start`](crate::start) listens unless told otherwise.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7070);

/// For the thread to end.
const END: Duration = Duration::from_secs(1);

/// The live page of an agent: it is there until this is dropped.
///
/// It does not keep the agent running. Once the agent has ended, the page says so, and shows what was last known.
///
/// In a child that was forked it is the parent's: it serves nothing there, and dropping it does nothing.
#[derive(Debug)]
#[must_use = "the page ends when it is dropped: keep it in a variable of main"]
pub struct Page {
    process: ProcessId,
    /// `None` of one that is off.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    keeper: Arc<Keeper>,
    stop: Arc<Notify>,
    /// Closes when the thread has ended. Behind a lock, so that a page can be shared.
    ended: Mutex<Receiver<()>>,
    address: Option<SocketAddr>,
}

impl Page {
    /// A builder with the settings that the agent was given.
    pub fn builder(agent: &Agent) -> Builder {
        let observer = agent.observer();
        let settings = observer.page();
        Builder {
            address: settings.address,
            token: settings.token.clone(),
            hosts: Ok(settings.hosts.clone()),
            jaeger: settings.jaeger.clone().map(Ok),
            observer,
        }
    }

    /// Where its own server listens: with port 0 in the settings, the port that the system chose.
    pub fn address(&self) -> Option<SocketAddr> {
        self.running.as_ref()?.address
    }

    /// The address for a browser on this machine, without the token that it may need.
    pub fn url(&self) -> Option<String> {
        self.address().map(url)
    }

    /// The page as a part of a host's own app, below `path`, such as `/memory`: see [`Mounted`].
    pub fn mounted(&self, path: &str) -> Mounted {
        let keeper = self.running.as_ref().map(|running| Arc::downgrade(&running.keeper));
        Mounted::new(keeper.unwrap_or_default(), Mount::at(path))
    }

    /// One that is off.
    pub(crate) fn off() -> Self {
        Self { process: ProcessId::current(), running: None }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let Some(running) = self.running.take() else { return };
        if !self.process.is_current() {
            // The thread is the parent's, and a lock may have been held at the fork.
            mem::forget(running);
            return;
        }
        running.keeper.feed.end();
        running.stop.notify_one();
        // An error is that it has ended.
        let _ = running.ended.into_inner().unwrap_or_else(PoisonError::into_inner).recv_timeout(END);
    }
}

fn url(address: SocketAddr) -> String {
    let mut shown = address;
    if address.ip().is_unspecified() {
        shown.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{shown}/")
}

/// Settings of a page that is not started yet. What is not set here is as the agent was told, by its environment or code.
#[must_use = "a builder does nothing before `start` or `start_mounted`"]
#[derive(Debug)]
pub struct Builder {
    observer: Observer,
    address: PageAddress,
    token: Option<Result<PageToken, String>>,
    hosts: Result<Vec<String>, String>,
    jaeger: Option<Result<String, String>>,
}

impl Builder {
    /// Where the page's own server listens (`HIGHWATER_PAGE`); by default at [`DEFAULT_ADDRESS`]. Port 0 is any that is free.
    ///
    /// On another address than loopback a token is asked for.
    pub fn address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.address = PageAddress::At(address.into());
        self
    }

    /// The token that its own server asks for (`HIGHWATER_PAGE_TOKEN`), on loopback too: 16 to 256 letters, digits and any of
    /// `-._~`.
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.parse());
        self
    }

    /// A name by which browsers may ask its own server (`HIGHWATER_PAGE_HOSTS`), beside `localhost` and addresses.
    pub fn host(mut self, name: &str) -> Self {
        self.hosts = self.hosts.and_then(|mut hosts| {
            hosts.extend(page_hosts(name)?);
            Ok(hosts)
        });
        self
    }

    /// Where a browser finds Jaeger (`HIGHWATER_JAEGER_URL`), for links to the traces of episodes.
    pub fn jaeger(mut self, url: &str) -> Self {
        self.jaeger = Some(page_url(url));
        self
    }

    /// Starts the page with a server of its own, and says its address in the service's log. Where the settings say `off`, and
    /// where the agent does not run, it is off, which is no error.
    ///
    /// A token that had to be made is written to standard error with the address, whatever the log is, and never to the log.
    ///
    /// # Errors
    ///
    /// Where nothing can listen at the address, no thread can be had, or the token, a host or the address of Jaeger cannot be
    /// used.
    pub fn start(self) -> Result<Page, StartError> {
        let address = match self.address {
            PageAddress::Off => return Ok(Page::off()),
            PageAddress::Unset => DEFAULT_ADDRESS,
            PageAddress::At(address) => address,
        };
        let given = self.token.clone().transpose().map_err(StartError::Token)?;
        let token = match &given {
            Some(token) => Some(token.reveal().to_owned()),
            None if address.ip().is_loopback() => None,
            None => Some(random_token()?),
        };
        let made = if given.is_none() { token.clone() } else { None };
        let observer = self.observer.clone();
        let page = self.spawn(Some((address, token)))?;
        let Some(url) = page.url() else { return Ok(page) };
        let shown = match (given, made) {
            (None, None) => "",
            // Who has it need not read it in a log.
            (Some(_), _) => "?token=... (the token is that of HIGHWATER_PAGE_TOKEN)",
            (None, Some(made)) => {
                // Said here alone: a log may drop it by its filter, and may bring it to many who are not to have it. In one
                // piece; where standard error is closed, nobody reads it.
                let line = format!("highwater: page at {url}?token={made}\n");
                let _ = io::stderr().write_all(line.as_bytes());
                if !has_log() {
                    // What is said now would stand below it.
                    return Ok(page);
                }
                "?token=... (the token is on standard error, and HIGHWATER_PAGE_TOKEN sets one)"
            }
        };
        observer.say(Severity::Info, &format!("page at {url}{shown}"));
        Ok(page)
    }

    /// Starts the page without a server: for [`Page::mounted`]. Where the settings say `off`, and where the agent does not run,
    /// it is off, and what is mounted answers 503.
    ///
    /// # Errors
    ///
    /// Where no thread can be had, or a host or the address of Jaeger cannot be used.
    pub fn start_mounted(self) -> Result<Page, StartError> {
        if self.address == PageAddress::Off {
            return Ok(Page::off());
        }
        self.spawn(None)
    }

    /// Starts the thread, which listens at the address, if there is one, and asks for the token, if there is one.
    fn spawn(self, server: Option<(SocketAddr, Option<String>)>) -> Result<Page, StartError> {
        let Self { observer, hosts, jaeger, .. } = self;
        let hosts = hosts.map_err(StartError::Host)?;
        let jaeger = jaeger.transpose().map_err(StartError::Jaeger)?;
        if !observer.is_running() {
            return Ok(Page::off());
        }
        let keeper = Keeper::new(observer, jaeger);
        let stop = Arc::new(Notify::new());
        let (end, ended) = sync_channel(0);
        let (say, said) = sync_channel(1);
        let thread = Thread { keeper: Arc::clone(&keeper), stop: Arc::clone(&stop), server, hosts };
        let named = thread::Builder::new().name("highwater-page".to_owned());
        named.spawn(move || thread.run(&say, end)).map_err(StartError::Thread)?;
        let address = said.recv().unwrap_or_else(|_| Err(StartError::Thread(io::ErrorKind::Other.into())))?;
        // Not before it is there: what could not be served is to leave nothing behind.
        keeper.follow();
        Ok(Page {
            process: ProcessId::current(),
            running: Some(Running { keeper, stop, ended: Mutex::new(ended), address }),
        })
    }
}

/// All that the page's thread owns.
struct Thread {
    keeper: Arc<Keeper>,
    stop: Arc<Notify>,
    server: Option<(SocketAddr, Option<String>)>,
    hosts: Vec<String>,
}

impl Thread {
    /// Runs until it is told to stop, and drops `end` last.
    fn run(self, say: &SyncSender<Result<Option<SocketAddr>, StartError>>, end: SyncSender<()>) {
        // A runtime of its own, so that nothing of the host's can hold it up, nor the other way round.
        match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
            Ok(runtime) => runtime.block_on(self.serve(say)),
            Err(error) => drop(say.send(Err(StartError::Thread(error)))),
        }
        drop(end);
    }

    async fn serve(self, say: &SyncSender<Result<Option<SocketAddr>, StartError>>) {
        let Self { keeper, stop, server, hosts } = self;
        let mut address = None;
        if let Some((at, token)) = server {
            let listening = server::listen(at).and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (bound, listener) = match listening {
                Ok(listening) => listening,
                Err(source) => return drop(say.send(Err(StartError::Listen { address: at, source }))),
            };
            let gate = Gate::new(bound.ip().is_loopback(), hosts, token);
            tokio::spawn(server::serve(listener, Arc::clone(&keeper), gate));
            address = Some(bound);
        }
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                keeper.look();
            }
        });
        if say.send(Ok(address)).is_ok() {
            stop.notified().await;
        }
    }
}

/// A token that cannot be guessed: 128 bits of the system's.
fn random_token() -> Result<String, StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.into()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// Why a page was not started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Nothing can listen at this address: it is in use by another program, or not one of this machine's.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A thread, or what it needs, could not be had.
    Thread(io::Error),
    /// The token cannot be used; with what would be right, and without the token.
    Token(String),
    /// The name of a host cannot be used; with what would be right.
    Host(String),
    /// The address of Jaeger cannot be used; with what would be right.
    Jaeger(String),
    /// The system gives no random numbers for a token.
    Random(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, source } => {
                write!(f, "cannot listen at {address}: {source} (HIGHWATER_PAGE names another address, or is off)")
            }
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::Token(remedy) => write!(f, "the page's token (HIGHWATER_PAGE_TOKEN) is {remedy}"),
            Self::Host(remedy) => write!(f, "the page's hosts are {remedy}"),
            Self::Jaeger(remedy) => write!(f, "the page's address of Jaeger is {remedy}"),
            Self::Random(error) => write!(f, "cannot make a token: {error} (HIGHWATER_PAGE_TOKEN gives one)"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { source, .. } => Some(source),
            Self::Thread(error) | Self::Random(error) => Some(error),
            Self::Token(_) | Self::Host(_) | Self::Jaeger(_) => None,
        }
    }
}
