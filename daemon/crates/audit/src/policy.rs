//! Which request is recorded, and how much of it: upstream's `audit.k8s.io/v1` Policy.
//!
//! Pure. The first rule that fits decides; what none fits is not recorded.

use crate::event::Stage;

/// How much of a request is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Who asked for what, and what became of it.
    Metadata,
    /// Also what was sent.
    Request,
    /// Also what was answered.
    RequestResponse,
}

impl Level {
    /// As policies and events call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::None => "None",
            Level::Metadata => "Metadata",
            Level::Request => "Request",
            Level::RequestResponse => "RequestResponse",
        }
    }

    pub(crate) const ALL: [Level; 4] = [
        Level::None,
        Level::Metadata,
        Level::Request,
        Level::RequestResponse,
    ];
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A resource.
    Resource {
        /// Empty for core.
        group: &'a str,
        /// The plural.
        resource: &'a str,
        /// Empty for the resource itself.
        subresource: &'a str,
        /// Empty for all.
        name: &'a str,
        /// Empty for cluster scope and all namespaces.
        namespace: &'a str,
    },
    /// Any other path.
    Path(&'a str),
}

/// A request, as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The user's name: the one who asks, not whom they act as.
    pub user: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// `get`, `list`, ...
    pub verb: &'a str,
    /// On what.
    pub target: Target<'a>,
}

/// How a request is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recording {
    /// How much.
    pub level: Level,
    omitted: Stages,
    /// Whether objects lose their `metadata.managedFields`.
    pub omit_managed_fields: bool,
}

impl Recording {
    /// Whether a stage is recorded.
    #[must_use]
    pub fn keeps(&self, stage: Stage) -> bool {
        self.level > Level::None && !self.omitted.has(stage)
    }
}

/// A set of stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stages(u8);

impl Stages {
    pub(crate) fn with(self, stage: Stage) -> Stages {
        Stages(self.0 | 1 << stage as u8)
    }

    fn union(self, other: Stages) -> Stages {
        Stages(self.0 | other.0)
    }

    fn has(self, stage: Stage) -> bool {
        self.0 & 1 << stage as u8 != 0
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    pub(crate) rules: Vec<Rule>,
    pub(crate) omit_stages: Stages,
    pub(crate) omit_managed_fields: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) level: Level,
    pub(crate) users: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) verbs: Vec<String>,
    pub(crate) resources: Vec<GroupResources>,
    pub(crate) namespaces: Vec<String>,
    pub(crate) paths: Vec<String>,
    pub(crate) omit_stages: Stages,
    pub(crate) omit_managed_fields: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupResources {
    pub(crate) group: String,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
}

impl Policy {
    /// How a request is recorded.
    #[must_use]
    pub fn recording(&self, asked: &Asked<'_>) -> Recording {
        match self.rules.iter().find(|rule| rule.fits(asked)) {
            Some(rule) => Recording {
                level: rule.level,
                omitted: self.omit_stages.union(rule.omit_stages),
                omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            },
            None => Recording {
                level: Level::None,
                omitted: self.omit_stages,
                omit_managed_fields: self.omit_managed_fields,
            },
        }
    }
}

/// An empty list lets everything through.
fn open(list: &[String], value: &str) -> bool {
    list.is_empty() || has(list, value)
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == value)
}

impl Rule {
    fn fits(&self, asked: &Asked<'_>) -> bool {
        let in_group = || asked.groups.iter().any(|group| has(&self.groups, group));
        if !open(&self.users, asked.user)
            || !(self.groups.is_empty() || in_group())
            || !open(&self.verbs, asked.verb)
        {
            return false;
        }
        let about_resources = !self.namespaces.is_empty() || !self.resources.is_empty();
        match asked.target {
            Target::Resource { namespace, .. } if about_resources => {
                open(&self.namespaces, namespace)
                    && (self.resources.is_empty()
                        || self.resources.iter().any(|one| one.fits(&asked.target)))
            }
            Target::Path(_) if about_resources => false,
            Target::Path(path) if !self.paths.is_empty() => {
                self.paths.iter().any(|pattern| path_fits(pattern, path))
            }
            Target::Resource { .. } if !self.paths.is_empty() => false,
            _ => true,
        }
    }
}

impl GroupResources {
    fn fits(&self, target: &Target<'_>) -> bool {
        let Target::Resource {
            group,
            resource,
            subresource,
            name,
            ..
        } = *target
        else {
            return false;
        };
        if self.group != group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        if !open(&self.names, name) {
            return false;
        }
        self.resources
            .iter()
            .any(|pattern| match pattern.split_once('/') {
                None => pattern == "*" || (subresource.is_empty() && pattern == resource),
                // A subresource of any resource, any of one resource, or the very one.
                Some(("*", sub)) => !subresource.is_empty() && sub == subresource,
                Some((of, "*")) => of == resource,
                Some((of, sub)) => of == resource && sub == subresource,
            })
    }
}

fn path_fits(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => pattern == path,
    }
}
