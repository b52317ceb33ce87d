//! All stacks as one tree, from the outermost call: what flame graphs and DevTools show.

use std::collections::HashMap;

use highwater_profile::pprof::Profile;

use super::unnamed;

/// The tree: nodes by index, the first of them the root.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A function as it was called from the one above it.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) module: String,
    /// `file:line`, where that is known.
    pub(crate) place: Option<String>,
    /// Held by itself, without the calls that it made.
    pub(crate) own: u64,
    /// With them.
    pub(crate) all: u64,
    pub(crate) children: Vec<usize>,
}

impl Tree {
    pub(crate) fn of(profile: &Profile) -> Self {
        let mut nodes = vec![Node { name: "(root)".to_owned(), ..Node::default() }];
        let mut known: HashMap<(usize, String), usize> = HashMap::new();
        for sample in &profile.samples {
            let mut at = 0;
            count(&mut nodes, at, sample.bytes);
            for frame in sample.frames.iter().rev().filter_map(|index| profile.frames.get(*index)) {
                let path = frame.module.as_deref().unwrap_or_default();
                let module = path.rsplit('/').next().unwrap_or(path);
                let mut step = |name: String, place: Option<&String>| {
                    let next = nodes.len();
                    let index = *known.entry((at, name.clone())).or_insert(next);
                    if index == next {
                        let place = place.cloned();
                        nodes.push(Node { name, module: module.to_owned(), place, ..Node::default() });
                        if let Some(parent) = nodes.get_mut(at) {
                            parent.children.push(index);
                        }
                    }
                    at = index;
                    count(&mut nodes, at, sample.bytes);
                };
                if frame.functions.is_empty() {
                    step(format!("{module}{}", unnamed(frame)), None);
                }
                for (function, place) in frame.functions.iter().zip(&frame.places).rev() {
                    step(function.clone(), place.as_ref());
                }
            }
            if let Some(node) = nodes.get_mut(at) {
                node.own = node.own.saturating_add(sample.bytes);
            }
        }
        Self { nodes }
    }

    /// A node and its children, the largest first.
    pub(crate) fn node(&self, index: usize) -> Option<(&Node, Vec<usize>)> {
        let node = self.nodes.get(index)?;
        let mut children = node.children.clone();
        let all = |index: &usize| self.nodes.get(*index).map_or(0, |node| node.all);
        children.sort_by_key(|index| (std::cmp::Reverse(all(index)), *index));
        Some((node, children))
    }
}

fn count(nodes: &mut [Node], index: usize, bytes: u64) {
    if let Some(node) = nodes.get_mut(index) {
        node.all = node.all.saturating_add(bytes);
    }
}
