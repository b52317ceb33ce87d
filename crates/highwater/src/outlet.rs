//! The threads that tell, and the bounded queues that lead to them.
//!
//! The watch thread hands over and goes on: it never waits for a collector, a callback or a log. Where a queue is full,
//! the new message is dropped and counted: what stands before it tells the older part of the same story, and an episode
//! whose beginning was dropped would make no sense.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::event::{Event, Severity};
use crate::voice;

/// How many messages wait for one thread: at two events a second, half a minute of a hung one.
const QUEUE: usize = 64;

/// Something that tells events, on a thread of its own.
pub(crate) trait Outlet: Send {
    /// Tells one event.
    fn tell(&mut self, event: &Event);

    /// The first sample was published: gauges have values from now on.
    fn first_sample(&mut self) {}

    /// Delivers what waits. The last call.
    fn finish(&mut self) {}
}

/// What a thread that tells is asked for.
#[derive(Debug)]
enum Message {
    Tell(Arc<Event>),
    Say(Severity, String),
    FirstSample,
}

/// The way to one thread that tells.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// Starts a thread that hands what comes to `outlets`, in their order. It delivers what waits and ends once all
    /// queues that lead to it are dropped, and drops `done` last.
    pub(crate) fn spawn<D: Send + 'static>(
        name: &'static str,
        mut outlets: Vec<Box<dyn Outlet>>,
        done: D,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            run(&receiver, &mut outlets);
            drop(outlets);
            drop(done);
        })?;
        Ok(Self { sender, dropped: Arc::default() })
    }

    pub(crate) fn tell(&self, event: &Arc<Event>) {
        self.offer(Message::Tell(Arc::clone(event)));
    }

    pub(crate) fn say(&self, severity: Severity, text: String) {
        self.offer(Message::Say(severity, text));
    }

    pub(crate) fn first_sample(&self) {
        self.offer(Message::FirstSample);
    }

    /// How many messages a full queue made us give up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn offer(&self, message: Message) {
        if self.sender.try_send(message).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn run(receiver: &Receiver<Message>, outlets: &mut [Box<dyn Outlet>]) {
    // What an outlet calls may be the host's: a panic there is not ours, and does not end the telling.
    let guarded = |outlet: &mut Box<dyn Outlet>, call: &mut dyn FnMut(&mut dyn Outlet)| {
        let _ = catch_unwind(AssertUnwindSafe(|| call(outlet.as_mut())));
    };
    while let Ok(message) = receiver.recv() {
        match message {
            Message::Tell(event) => outlets.iter_mut().for_each(|o| guarded(o, &mut |outlet| outlet.tell(&event))),
            Message::Say(severity, text) => drop(catch_unwind(|| voice::say(severity, &text))),
            Message::FirstSample => outlets.iter_mut().for_each(|o| guarded(o, &mut |outlet| outlet.first_sample())),
        }
    }
    outlets.iter_mut().for_each(|outlet| guarded(outlet, &mut |outlet| outlet.finish()));
}

/// The service's own log.
#[derive(Debug)]
pub(crate) struct Log;

impl Outlet for Log {
    fn tell(&mut self, event: &Event) {
        voice::say_event(event);
    }
}

type Callback = Box<dyn FnMut(&Event) + Send>;

/// The host's callbacks, and those that it has added since the last event.
#[derive(Default)]
pub(crate) struct Callbacks {
    registered: Vec<Callback>,
    added: Subscriptions,
}

/// Where callbacks are added, also while others run.
#[derive(Clone, Default)]
pub(crate) struct Subscriptions(Arc<Mutex<Vec<Callback>>>);

impl Subscriptions {
    pub(crate) fn add(&self, callback: Callback) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(callback);
    }
}

impl Callbacks {
    pub(crate) fn new(added: Subscriptions) -> Self {
        Self { registered: Vec::new(), added }
    }
}

impl Outlet for Callbacks {
    fn tell(&mut self, event: &Event) {
        self.registered.append(&mut self.added.0.lock().unwrap_or_else(PoisonError::into_inner));
        // One that panics has broken its own state: it is not called again.
        self.registered.retain_mut(|callback| catch_unwind(AssertUnwindSafe(|| callback(event))).is_ok());
    }
}

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriptions").finish_non_exhaustive()
    }
}
