//! The trace as a picture: one SVG of a fixed size, however long the trace.
//!
//! What is kept of the rows are columns with the lowest and the highest value of their time, so that no spike is lost; of
//! episodes and alarms so many as can be told apart. Ours and not a library's: those draw points, and bring fonts and
//! bitmaps for it, where this is two outlines, some lines and rectangles.
//!
//! | module | idea |
//! |---|---|
//! | `columns` | the rows, reduced as they come |
//! | `axis` | where ticks stand, and what they say |
//! | `svg` | elements, with whatever text in them |
//! | `picture` | where everything goes |

use highwater::model::{Change, Levels, SinceStart};
use highwater::{Event, Level, Sample, What};

use crate::summary::{GROWTH, Summary};

use columns::Columns;

mod axis;
mod columns;
mod picture;
pub(crate) mod svg;

/// How many episodes are shaded, and how many alarms marked: more are not told apart on a thousand pixels.
const MOST: usize = 250;

/// What the picture shows, as it comes.
#[derive(Debug)]
pub(crate) struct Plot {
    levels: Levels,
    columns: Columns,
    episodes: Vec<Span>,
    alarms: Vec<Alarm>,
}

/// An episode.
#[derive(Clone, Copy, Debug)]
struct Span {
    number: u64,
    from: SinceStart,
    /// `None` while it is open.
    to: Option<SinceStart>,
    highest: Level,
}

/// What is told beside episodes.
#[derive(Clone, Debug)]
struct Alarm {
    at: SinceStart,
    label: String,
    kind: AlarmKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AlarmKind {
    Growth,
    Kill,
}

impl Plot {
    pub(crate) fn new(levels: Levels) -> Self {
        Self { levels, columns: Columns::default(), episodes: Vec::new(), alarms: Vec::new() }
    }

    /// Takes one sample into the picture.
    pub(crate) fn sample(&mut self, sample: &Sample) {
        self.columns.add(sample);
    }

    /// Takes one event into the picture.
    pub(crate) fn event(&mut self, event: &Event, at: SinceStart) {
        let What::Memory(transition) = event.what() else { return };
        match transition.change {
            Change::Begun(episode) if self.episodes.len() < MOST => {
                let (number, from, highest) = (episode.number, episode.began, episode.level);
                self.episodes.push(Span { number, from, to: None, highest });
            }
            Change::Changed(episode, _) => {
                if let Some(span) = self.span(episode.number) {
                    span.highest = span.highest.max(episode.level);
                }
            }
            Change::Ended(episode, _) => {
                if let Some(span) = self.span(episode.number) {
                    span.to = Some(episode.until);
                }
            }
            Change::OomKill(count) => self.mark(at, format!("killed {count}"), AlarmKind::Kill),
            _ if event.name() == GROWTH => self.mark(at, "growth".to_owned(), AlarmKind::Growth),
            _ => {}
        }
    }

    /// The picture as SVG.
    pub(crate) fn draw(&self, name: &str, summary: &Summary) -> String {
        picture::draw(self, name, summary)
    }

    fn mark(&mut self, at: SinceStart, label: String, kind: AlarmKind) {
        if self.alarms.len() < MOST {
            self.alarms.push(Alarm { at, label, kind });
        }
    }

    fn span(&mut self, number: u64) -> Option<&mut Span> {
        self.episodes.iter_mut().rev().find(|span| span.number == number)
    }
}

#[cfg(test)]
mod tests;
