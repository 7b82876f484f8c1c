//! A set of fields, and its algebra. Invariant: every node is a member or has members below it.

use std::collections::BTreeMap;

use super::{Element, Path};

/// A set of fields: a tree, in which a field may be a member whether or not fields below it are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set {
    pub(crate) nodes: BTreeMap<Element, Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) member: bool,
    pub(crate) below: Set,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl Set {
    /// The fields that are reached by these names: `[&["status"], &["metadata", "labels"]]`.
    #[must_use]
    pub fn of_names(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            let path = path.iter().map(|name| Element::Field((*name).to_owned()));
            set.insert(&path.collect::<Vec<_>>());
        }
        set
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the field at `path` is a member.
    #[must_use]
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((last, above)) = path.split_last() else {
            return false;
        };
        let mut set = self;
        for element in above {
            match set.nodes.get(element) {
                Some(node) => set = &node.below,
                None => return false,
            }
        }
        set.nodes.get(last).is_some_and(|node| node.member)
    }

    /// Makes the field at `path` a member. The whole object is nobody's: an empty path changes
    /// nothing.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((last, above)) = path.split_last() else {
            return;
        };
        let mut set = self;
        for element in above {
            set = &mut set.nodes.entry(element.clone()).or_default().below;
        }
        set.nodes.entry(last.clone()).or_default().member = true;
    }

    /// What is in either.
    #[must_use]
    pub fn union(mut self, other: Self) -> Self {
        for (element, node) in other.nodes {
            let own = self.nodes.entry(element).or_default();
            own.member |= node.member;
            own.below = std::mem::take(&mut own.below).union(node.below);
        }
        self
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.with_each(|element, node| {
            let other = other.nodes.get(element)?;
            Some(Node {
                member: node.member && other.member,
                below: node.below.intersection(&other.below),
            })
        })
    }

    /// What is in `self` and not in `other`. Fields below a member of `other` stay.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.with_each(|element, node| {
            let Some(other) = other.nodes.get(element) else {
                return Some(node.clone());
            };
            Some(Node {
                member: node.member && !other.member,
                below: node.below.difference(&other.below),
            })
        })
    }

    /// What is in `self`, and neither in `other` nor below one of its members.
    #[must_use]
    pub fn without_trees(&self, other: &Self) -> Self {
        if other.is_empty() {
            return self.clone();
        }
        self.with_each(|element, node| {
            let Some(other) = other.nodes.get(element) else {
                return Some(node.clone());
            };
            (!other.member).then(|| Node {
                member: node.member,
                below: node.below.without_trees(&other.below),
            })
        })
    }

    /// All members: those of a level first, then those below them.
    #[must_use]
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.gather(&mut Vec::new(), &mut paths);
        paths
    }

    fn gather(&self, above: &mut Vec<Element>, paths: &mut Vec<Path>) {
        for (element, node) in &self.nodes {
            if node.member {
                let mut path = above.clone();
                path.push(element.clone());
                paths.push(Path(path));
            }
        }
        for (element, node) in &self.nodes {
            above.push(element.clone());
            node.below.gather(above, paths);
            above.pop();
        }
    }

    fn with_each(&self, kept: impl Fn(&Element, &Node) -> Option<Node>) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, node)| {
            let node = kept(element, node).filter(|node| !node.is_empty())?;
            Some((element.clone(), node))
        });
        Self {
            nodes: nodes.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&str]) -> Set {
        let paths: Vec<Vec<&str>> = paths.iter().map(|path| path.split('.').collect()).collect();
        let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
        Set::of_names(&paths)
    }

    #[test]
    fn sets_are_added_cut_and_taken_from_each_other() {
        let left = set(&["a", "a.b", "a.c.d", "e"]);
        let right = set(&["a.b", "a.c", "e.f", "g"]);
        assert_eq!(
            left.clone().union(right.clone()),
            set(&["a", "a.b", "a.c", "a.c.d", "e", "e.f", "g"])
        );
        assert_eq!(left.intersection(&right), set(&["a.b"]));
        assert_eq!(left.difference(&right), set(&["a", "a.c.d", "e"]));
        assert_eq!(left.without_trees(&right), set(&["a", "e"]));
        assert!(left.difference(&left).is_empty());
        assert!(left.has(&[Element::Field("e".to_owned())]));
        assert!(!right.has(&[Element::Field("e".to_owned())]));
        assert!(!right.has(&[]));
    }

    #[test]
    fn members_are_told_level_by_level() {
        let paths = set(&["b.z", "a.x.y", "b", "a.x"]).paths();
        let paths: Vec<String> = paths.iter().map(Path::to_string).collect();
        assert_eq!(paths, [".b", ".a.x", ".a.x.y", ".b.z"]);
    }
}
