//! The threads that tell, and the bounded queues that lead to them.
//!
//! The watch thread hands over and goes on: it never waits for a collector, a callback or a log. Where a queue is full,
//! the new message is dropped, and if it is an event, counted by who handed it over: what stands before it tells the older
//! part of the same story, and an episode whose beginning was dropped would make no sense.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use crate::act::Acted;
use crate::event::{Event, Severity};
use crate::finished::Running;
use crate::stack;
use crate::voice;

/// How many messages wait for one thread: at two events a second, half a minute of a hung one.
const QUEUE: usize = 64;

/// Something that tells events, on a thread of its own.
pub(crate) trait Outlet: Send {
    /// Tells one event.
    fn tell(&mut self, event: &Event);

    /// Tells what came of one action.
    fn acted(&mut self, _: &Acted) {}

    /// The first sample was published: gauges have values from now on.
    fn first_sample(&mut self) {}

    /// Does a piece of what waits, while there is nothing to tell. Returns when to ask again, where something waits on.
    fn work(&mut self) -> Option<Duration> {
        None
    }

    /// Delivers what waits. The last call.
    fn finish(&mut self) {}
}

/// What a thread that tells is asked for.
#[derive(Debug)]
enum Message {
    Tell(Arc<Event>),
    Acted(Arc<Acted>),
    Say(Severity, String),
    FirstSample,
    /// Nothing but the piece of work that follows every message.
    Wake,
}

/// The way to one thread that tells.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: SyncSender<Message>,
    thread: ThreadId,
}

impl Queue {
    /// Starts a thread that hands what comes to `outlets`, in their order. It delivers what waits and ends once all
    /// queues that lead to it are dropped, and drops `done` last.
    pub(crate) fn spawn(name: &'static str, mut outlets: Vec<Box<dyn Outlet>>, done: Running) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            stack::touch::<{ stack::SHALLOW }>();
            run(&receiver, &mut outlets);
            drop(outlets);
            drop(done);
        })?;
        Ok(Self { sender, thread: handle.thread().id() })
    }

    /// The thread that tells.
    pub(crate) fn thread(&self) -> ThreadId {
        self.thread
    }

    /// Hands an event over; returns whether there was room for it.
    pub(crate) fn tell(&self, event: &Arc<Event>) -> bool {
        self.offer(Message::Tell(Arc::clone(event)))
    }

    /// Hands over what came of an action; returns whether there was room for it.
    pub(crate) fn acted(&self, acted: &Arc<Acted>) -> bool {
        self.offer(Message::Acted(Arc::clone(acted)))
    }

    pub(crate) fn say(&self, severity: Severity, text: String) {
        let _ = self.offer(Message::Say(severity, text));
    }

    pub(crate) fn first_sample(&self) {
        let _ = self.offer(Message::FirstSample);
    }

    /// Asks for a piece of work. Where there is no room nothing is lost: one follows what stands in the queue.
    pub(crate) fn wake(&self) {
        let _ = self.offer(Message::Wake);
    }

    fn offer(&self, message: Message) -> bool {
        self.sender.try_send(message).is_ok()
    }
}

fn run(receiver: &Receiver<Message>, outlets: &mut [Box<dyn Outlet>]) {
    // What an outlet calls may be the host's: a panic there is not ours, and does not end the telling.
    let guarded = |outlet: &mut Box<dyn Outlet>, call: &mut dyn FnMut(&mut dyn Outlet)| {
        let _ = catch_unwind(AssertUnwindSafe(|| call(outlet.as_mut())));
    };
    let mut pause = None;
    loop {
        // What is new is told before the next piece of work.
        match receive(receiver, pause.replace(Duration::ZERO)) {
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                pause = None;
                for outlet in &mut *outlets {
                    guarded(outlet, &mut |outlet| pause = pause.into_iter().chain(outlet.work()).min());
                }
            }
            Ok(Message::Tell(event)) => outlets.iter_mut().for_each(|o| guarded(o, &mut |outlet| outlet.tell(&event))),
            Ok(Message::Acted(acted)) => {
                outlets.iter_mut().for_each(|o| guarded(o, &mut |outlet| outlet.acted(&acted)))
            }
            Ok(Message::Say(severity, text)) => drop(catch_unwind(|| voice::say(severity, &text))),
            Ok(Message::FirstSample) => {
                outlets.iter_mut().for_each(|o| guarded(o, &mut |outlet| outlet.first_sample()))
            }
            Ok(Message::Wake) => {}
        }
    }
    outlets.iter_mut().for_each(|outlet| guarded(outlet, &mut |outlet| outlet.finish()));
}

/// The next message, waited for as long as `pause`, without one for ever.
fn receive(receiver: &Receiver<Message>, pause: Option<Duration>) -> Result<Message, RecvTimeoutError> {
    match pause {
        Some(pause) => receiver.recv_timeout(pause),
        None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

/// An outlet that works without a word in the service's log, and does not wait for it.
pub(crate) struct Silent(pub(crate) Box<dyn Outlet>);

impl Outlet for Silent {
    fn tell(&mut self, event: &Event) {
        voice::in_silence(|| self.0.tell(event));
    }

    fn acted(&mut self, acted: &Acted) {
        voice::in_silence(|| self.0.acted(acted));
    }

    fn first_sample(&mut self) {
        voice::in_silence(|| self.0.first_sample());
    }

    fn work(&mut self) -> Option<Duration> {
        voice::in_silence(|| self.0.work())
    }

    fn finish(&mut self) {
        voice::in_silence(|| self.0.finish());
    }
}

/// The last of what is the host's: what was handed to all of them counts as told.
#[derive(Debug)]
pub(crate) struct Handed;

impl Outlet for Handed {
    fn tell(&mut self, event: &Event) {
        event.receipt().into_iter().for_each(|receipt| receipt.deliver());
    }
}

/// The service's own log.
#[derive(Debug)]
pub(crate) struct Log;

impl Outlet for Log {
    fn tell(&mut self, event: &Event) {
        voice::say_event(event);
    }

    fn acted(&mut self, acted: &Acted) {
        voice::say(Severity::Info, &acted.to_string());
    }
}

/// Called until it breaks.
type Callback = Box<dyn FnMut(&Event) -> ControlFlow<()> + Send>;

/// The host's callbacks, and those that it has added since the last event.
pub(crate) struct Callbacks {
    registered: Vec<Callback>,
    added: Subscriptions,
}

/// How many events are kept for who comes late: more than are told before a program's first line can listen.
const RECENT: usize = 16;

/// Where callbacks are added, also while others run, and the last events for who comes late.
///
/// It closes when the agent ends: what waits is dropped, and so is what is added later, so that whoever waits for a
/// callback's end of a channel sees it close, and a callback that holds the agent does not keep it for ever.
#[derive(Clone)]
pub(crate) struct Subscriptions(Arc<Mutex<Option<Open>>>);

/// Under one lock, so that who is added has each event either among the last or by a call.
#[derive(Default)]
struct Open {
    added: Vec<Callback>,
    /// At most [`RECENT`], the oldest first.
    recent: VecDeque<Event>,
}

impl Subscriptions {
    /// Adds one that is called until the end; returns the last events that it will not be called with.
    pub(crate) fn add(&self, mut callback: impl FnMut(&Event) + Send + 'static) -> Vec<Event> {
        self.add_until(move |event| {
            callback(event);
            ControlFlow::Continue(())
        })
    }

    /// The same for one that is called until it breaks.
    pub(crate) fn add_until(&self, callback: impl FnMut(&Event) -> ControlFlow<()> + Send + 'static) -> Vec<Event> {
        let callback: Callback = Box::new(callback);
        let (recent, refused) = match &mut *self.open() {
            Some(open) => {
                open.added.push(callback);
                (open.recent.iter().cloned().collect(), None)
            }
            None => (Vec::new(), Some(callback)),
        };
        // Outside the lock: what it holds may be the host's, or the agent itself.
        drop(refused);
        recent
    }

    /// Takes what was added, and keeps the event that they are about to be called with.
    fn take_for(&self, event: &Event) -> Vec<Callback> {
        let Some(open) = &mut *self.open() else { return Vec::new() };
        if open.recent.len() >= RECENT {
            open.recent.pop_front();
        }
        open.recent.push_back(event.clone());
        std::mem::take(&mut open.added)
    }

    pub(crate) fn close(&self) {
        let open = self.open().take();
        drop(open);
    }

    /// Subscriptions that nobody will hear.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Some(Open::default()))))
    }
}

impl Callbacks {
    pub(crate) fn new(added: Subscriptions) -> Self {
        Self { registered: Vec::new(), added }
    }
}

impl Outlet for Callbacks {
    fn tell(&mut self, event: &Event) {
        self.registered.append(&mut self.added.take_for(event));
        let mut has_panicked = false;
        self.registered.retain_mut(|callback| {
            let called = catch_unwind(AssertUnwindSafe(|| callback(event)));
            // One that panics has broken its own state: it is not called again.
            has_panicked |= called.is_err();
            called.is_ok_and(|flow| flow.is_continue())
        });
        if has_panicked {
            voice::say(Severity::Warn, "a callback panicked, and is not called again");
        }
    }

    fn finish(&mut self) {
        self.added.close();
    }
}

impl std::fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscriptions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::SystemTime;

    use highwater_model::Sample;
    use highwater_sources::Source;

    use super::*;
    use crate::event::What;

    fn event() -> Event {
        Event::new(SystemTime::UNIX_EPOCH, What::SourceRecovered { source: Source::Cgroup }, Sample::default(), None)
    }

    #[test]
    fn who_comes_late_gets_each_event_once_and_of_those_before_the_last_sixteen() {
        let subscriptions = Subscriptions::default();
        let mut callbacks = Callbacks::new(subscriptions.clone());
        let events: Vec<_> = (0..RECENT + 3).map(|_| event()).collect();
        let (before, after) = events.split_at(RECENT + 2);
        before.iter().for_each(|event| callbacks.tell(event));
        let (tell, told) = channel();
        let recent = subscriptions.add(move |event| tell.send(event.uid().to_owned()).unwrap());
        after.iter().for_each(|event| callbacks.tell(event));
        let uids = |events: &[Event]| events.iter().map(|event| event.uid().to_owned()).collect::<Vec<_>>();
        assert_eq!(uids(&recent), uids(&before[2..]));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), uids(after));
        callbacks.finish();
        assert_eq!(subscriptions.add(|_| ()).len(), 0, "nothing is kept after the end");
    }

    #[test]
    fn who_has_heard_enough_is_dropped_and_not_called_again() {
        let subscriptions = Subscriptions::default();
        let mut callbacks = Callbacks::new(subscriptions.clone());
        let (tell, told) = channel();
        subscriptions.add_until(move |_| {
            tell.send(()).unwrap();
            ControlFlow::Break(())
        });
        (0..3).for_each(|_| callbacks.tell(&event()));
        assert_eq!(told.iter().count(), 1, "what it held is gone with it");
        assert!(callbacks.registered.is_empty());
    }
}
