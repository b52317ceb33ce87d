//! The JSON that Chrome's DevTools load in their memory panel: a sampling heap profile, as `node --heap-prof` writes it.
//!
//! `head` is a tree of calls with the bytes that each holds itself; `samples` say the same by the node's number.
//!
//! Written from a list of what is still to be written, not by recursion: a stack may be of any depth.

use std::io::{self, Write};

use highwater_profile::pprof::Profile;

use super::tree::{Node, Tree};

/// What is still to be written.
enum Step {
    Node { index: usize, first: bool },
    End,
}

pub(crate) fn write(out: &mut impl Write, tree: &Tree, profile: &Profile) -> io::Result<()> {
    out.write_all(b"{\"head\":")?;
    let mut steps = vec![Step::Node { index: 0, first: true }];
    while let Some(step) = steps.pop() {
        match step {
            Step::End => out.write_all(b"]}")?,
            Step::Node { index, first } => {
                let Some((node, children)) = tree.node(index) else { continue };
                if !first {
                    out.write_all(b",")?;
                }
                begin(out, node, id(index))?;
                steps.push(Step::End);
                for (place, child) in children.iter().enumerate().rev() {
                    steps.push(Step::Node { index: *child, first: place == 0 });
                }
            }
        }
    }
    out.write_all(b",\"samples\":[")?;
    let held = tree.nodes.iter().enumerate().filter(|(_, node)| node.own > 0);
    for (ordinal, (index, node)) in (1_u64..).zip(held) {
        let comma = if ordinal > 1 { "," } else { "" };
        write!(out, "{comma}{{\"size\":{},\"nodeId\":{},\"ordinal\":{ordinal}}}", node.own, id(index))?;
    }
    debug_assert_eq!(tree.nodes.first().map(|root| root.all), Some(profile.bytes()), "nothing is lost");
    out.write_all(b"]}")
}

/// Up to the children.
fn begin(out: &mut impl Write, node: &Node, id: usize) -> io::Result<()> {
    let (file, line) = node.place.as_deref().map_or((node.module.as_str(), -1), |place| match place.rsplit_once(':') {
        // Counted from 0 there.
        Some((file, line)) => (file, line.parse::<i64>().map_or(-1, |line| line.saturating_sub(1))),
        None => (place, -1),
    });
    out.write_all(b"{\"callFrame\":{\"functionName\":")?;
    serde_json::to_writer(&mut *out, &node.name)?;
    out.write_all(b",\"scriptId\":\"0\",\"url\":")?;
    serde_json::to_writer(&mut *out, file)?;
    write!(out, ",\"lineNumber\":{line},\"columnNumber\":-1}},\"selfSize\":{},\"id\":{id},\"children\":[", node.own)
}

fn id(index: usize) -> usize {
    index.saturating_add(1)
}
