//! Every path and operation of the API, made from the resources.
//!
//! Knows nothing about how documents write them. Invariant: an operation is described only if
//! discovery shows its verb.

use crate::parameters::Parameters;
use crate::resource::{Resource, Subresource};
use crate::schemas::{list_definition, meta};
use crate::tables::Parameter;
use crate::words::{article, capital, group_name, root, small};

/// A path, with what can be done there.
pub(crate) struct PathItem {
    pub(crate) path: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) operations: Vec<Operation>,
}

/// One method of a path.
pub(crate) struct Operation {
    /// `get`.
    pub(crate) method: &'static str,
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) tag: String,
    /// `list`, with the group, version and kind that it is about.
    pub(crate) action: Option<(&'static str, [String; 3])>,
    pub(crate) consumes: &'static [&'static str],
    /// Definition, and whether there must be one.
    pub(crate) body: Option<(String, bool)>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) produces: &'static [&'static str],
    pub(crate) answers: Vec<u16>,
    /// Definition; a plain string if there is none.
    pub(crate) answer: Option<String>,
}

const ANY: &[&str] = &["*/*"];
pub(crate) const OBJECTS: &[&str] = &["application/json", "application/yaml", PROTOBUF];
const TEXT: &[&str] = &[
    "text/plain",
    "application/json",
    "application/yaml",
    PROTOBUF,
];
const EVENTS: &[&str] = &[
    "application/json",
    "application/yaml",
    PROTOBUF,
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PATCHES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
const CONNECTING: [(&str, &str); 7] = [
    ("delete", "delete"),
    ("get", "get"),
    ("head", "get"),
    ("options", "get"),
    ("patch", "patch"),
    ("post", "create"),
    ("put", "update"),
];

/// All paths of a group and version.
pub(crate) fn paths(resources: &[&Resource], parameters: &Parameters) -> Vec<PathItem> {
    let Some(first) = resources.first() else {
        return Vec::new();
    };
    let name = group_name(&first.group) + &capital(&first.version);
    let tag = format!("{}_{}", small(&group_name(&first.group)), first.version);
    let mut items = vec![PathItem {
        path: root(&first.group, &first.version) + "/",
        parameters: Vec::new(),
        operations: vec![Operation {
            method: "get",
            id: format!("get{name}APIResources"),
            description: "get available resources".to_owned(),
            tag: tag.clone(),
            action: None,
            consumes: OBJECTS,
            body: None,
            parameters: Vec::new(),
            produces: OBJECTS,
            answers: vec![200],
            answer: Some(meta("APIResourceList")),
        }],
    }];
    for resource in resources {
        let making = Making {
            resource,
            parameters,
            name: &name,
            tag: &tag,
        };
        making.all(&mut items);
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    items
}

struct Making<'a> {
    resource: &'a Resource,
    parameters: &'a Parameters,
    /// `CoreV1`.
    name: &'a str,
    /// `core_v1`.
    tag: &'a str,
}

impl Making<'_> {
    fn all(&self, items: &mut Vec<PathItem>) {
        let Resource {
            group,
            version,
            plural,
            namespaced,
            ..
        } = self.resource;
        let root = root(group, version);
        let watch = format!("{root}/watch");
        let within = if *namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        self.item(items, format!("{root}{within}/{plural}"), self.collection());
        self.item(
            items,
            format!("{root}{within}/{plural}/{{name}}"),
            self.one(),
        );
        let watched = |last: &str| self.watched(last);
        let (many, one) = (watched("List"), watched(""));
        self.item(items, format!("{watch}{within}/{plural}"), many);
        self.item(items, format!("{watch}{within}/{plural}/{{name}}"), one);
        if *namespaced && self.resource.takes("list") {
            let mut list = self.list();
            list.id = format!("list{}{}ForAllNamespaces", self.name, self.resource.kind);
            list.parameters.clear();
            self.item(items, format!("{root}/{plural}"), vec![list]);
            let mut watch_list = self.watched("ListForAllNamespaces");
            for operation in &mut watch_list {
                operation.id = operation.id.replace("Namespaced", "");
            }
            self.item(items, format!("{watch}/{plural}"), watch_list);
        }
        for sub in &self.resource.subresources {
            let path = format!("{root}{within}/{plural}/{{name}}/{}", sub.name);
            if sub.name == "proxy" {
                self.item(
                    items,
                    format!("{path}/{{path}}"),
                    self.connect(sub, "WithPath"),
                );
            }
            self.item(items, path, self.subresource(sub));
        }
    }

    fn item(&self, items: &mut Vec<PathItem>, path: String, operations: Vec<Operation>) {
        let Some(first) = operations.first() else {
            return;
        };
        let mut parameters = self.parameters.of_path(&path, &self.resource.kind);
        let action = first.action.as_ref().map(|(action, _)| *action);
        let is_list =
            action == Some("list") && operations.len() == 1 && first.parameters.is_empty();
        if is_list || matches!(action, Some("watch" | "watchlist")) {
            parameters.extend(self.parameters.all("list"));
        }
        if action == Some("connect") || path.ends_with("/log") {
            let (_, sub) = path.split_once("{name}/").unwrap_or_default();
            let sub = sub.split('/').next().unwrap_or(sub);
            let own = self
                .parameters
                .all(&format!("{}/{sub}", self.resource.plural));
            parameters.extend(own);
        }
        if action != Some("connect") {
            parameters.extend(self.parameters.some("path", &["pretty"]));
        }
        let only_creates = operations
            .iter()
            .all(|one| one.body.is_some() && one.parameters.is_empty());
        if only_creates {
            parameters.extend(self.parameters.all("write"));
        }
        parameters.sort_by(|a, b| a.name.cmp(&b.name));
        items.push(PathItem {
            path,
            parameters,
            operations,
        });
    }

    fn operation(&self, method: &'static str, action: &'static str, verb: &str) -> Operation {
        let Resource {
            group,
            version,
            kind,
            namespaced,
            ..
        } = self.resource;
        let within = if *namespaced { "Namespaced" } else { "" };
        Operation {
            method,
            id: format!("{verb}{}{within}{kind}", self.name),
            description: format!("{verb} the specified {kind}"),
            tag: self.tag.to_owned(),
            action: Some((action, [group.clone(), version.clone(), kind.clone()])),
            consumes: ANY,
            body: None,
            parameters: Vec::new(),
            produces: OBJECTS,
            answers: vec![200],
            answer: Some(self.resource.definition.clone()),
        }
    }

    fn list(&self) -> Operation {
        let mut list = self.operation("get", "list", "list");
        list.description = format!("list or watch objects of kind {}", self.resource.kind);
        list.parameters = self.parameters.all("list");
        list.produces = EVENTS;
        list.answer = Some(list_definition(self.resource));
        list
    }

    fn collection(&self) -> Vec<Operation> {
        let resource = self.resource;
        let mut all = Vec::new();
        if resource.takes("deletecollection") {
            let mut delete = self.operation("delete", "deletecollection", "delete");
            let place = format!("delete{}", self.name);
            delete.id = delete.id.replace(&place, &format!("{place}Collection"));
            delete.description = format!("delete collection of {}", resource.kind);
            delete.parameters = self.parameters.deletion_of_many();
            delete.body = Some((meta("DeleteOptions"), false));
            delete.answer = Some(meta("Status"));
            all.push(delete);
        }
        if resource.takes("list") {
            all.push(self.list());
        }
        if resource.takes("create") {
            let mut create = self.create();
            if resource.takes("list") {
                create.parameters = self.parameters.all("write");
            }
            all.push(create);
        }
        if all.len() == 1 && resource.takes("list") {
            all[0].parameters.clear(); // they stand at the path
        }
        all
    }

    fn create(&self) -> Operation {
        let kind = &self.resource.kind;
        let mut create = self.operation("post", "post", "create");
        create.description = format!("create {} {kind}", article(kind));
        create.body = Some((self.resource.definition.clone(), true));
        create.answers = vec![200, 201, 202];
        create
    }

    fn one(&self) -> Vec<Operation> {
        let resource = self.resource;
        let mut all = Vec::new();
        if resource.takes("delete") {
            let mut delete = self.operation("delete", "delete", "delete");
            delete.description = format!("delete {} {}", article(&resource.kind), resource.kind);
            delete.parameters = self.parameters.deletion();
            delete.body = Some((meta("DeleteOptions"), false));
            delete.answers = vec![200, 202];
            if !resource.delete_returns_object {
                delete.answer = Some(meta("Status"));
            }
            all.push(delete);
        }
        if resource.takes("get") {
            all.push(self.operation("get", "get", "read"));
        }
        if resource.takes("patch") {
            all.push(self.patch());
        }
        if resource.takes("update") {
            all.push(self.replace());
        }
        all
    }

    fn patch(&self) -> Operation {
        let mut patch = self.operation("patch", "patch", "patch");
        patch.description = format!("partially update the specified {}", self.resource.kind);
        patch.consumes = PATCHES;
        patch.body = Some((meta("Patch"), true));
        patch.parameters = self.parameters.all("write");
        patch.parameters.extend(self.parameters.all("apply"));
        patch.answers = vec![200, 201];
        patch
    }

    fn replace(&self) -> Operation {
        let mut replace = self.operation("put", "put", "replace");
        replace.body = Some((self.resource.definition.clone(), true));
        replace.parameters = self.parameters.all("write");
        replace.answers = vec![200, 201];
        replace
    }

    fn watched(&self, last: &str) -> Vec<Operation> {
        if !self.resource.takes("watch") {
            return Vec::new();
        }
        let kind = &self.resource.kind;
        let instead = "deprecated: use the 'watch' parameter with a list operation instead";
        let (action, description) = if last.is_empty() {
            let one = "filtered to a single item with the 'fieldSelector' parameter";
            (
                "watch",
                format!("watch changes to an object of kind {kind}. {instead}, {one}."),
            )
        } else {
            (
                "watchlist",
                format!("watch individual changes to a list of {kind}. {instead}."),
            )
        };
        let mut watch = self.operation("get", action, "watch");
        watch.id.push_str(last);
        watch.description = description;
        watch.produces = EVENTS;
        watch.answer = Some(meta("WatchEvent"));
        vec![watch]
    }

    fn subresource(&self, sub: &Subresource) -> Vec<Operation> {
        if sub.kind.ends_with("Options") {
            return self.connect(sub, "");
        }
        let mut all = Vec::new();
        let has_definition = !sub.definition.is_empty() && sub.name != "log";
        let mut push = |mut operation: Operation, description: String| {
            operation.id.push_str(&capital(&sub.name));
            operation.description = description;
            operation.answer = has_definition.then(|| sub.definition.clone());
            if operation.method != "patch" && operation.body.is_some() {
                operation.body = Some((sub.definition.clone(), true));
            }
            let kind = [&sub.group, &sub.version, &sub.kind].map(String::clone);
            operation.action = operation.action.map(|(action, _)| (action, kind));
            all.push(operation);
        };
        let (name, kind) = (&sub.name, &self.resource.kind);
        if sub.takes("get") {
            let mut read = self.operation("get", "get", "read");
            if sub.name == "log" {
                read.produces = TEXT;
            }
            push(read, format!("read {name} of the specified {kind}"));
        }
        if sub.takes("patch") {
            push(
                self.patch(),
                format!("partially update {name} of the specified {kind}"),
            );
        }
        if sub.takes("create") {
            push(
                self.create(),
                format!("create {name} of {} {kind}", article(kind)),
            );
        }
        if sub.takes("update") {
            let mut replace = self.replace();
            if !sub.takes("get") {
                replace.parameters.clear(); // they stand at the path
            }
            push(replace, format!("replace {name} of the specified {kind}"));
        }
        all
    }

    fn connect(&self, sub: &Subresource, last: &str) -> Vec<Operation> {
        let everything = sub.takes("update");
        let methods = CONNECTING.iter().filter(|(method, verb)| {
            sub.takes(verb) && (everything || !matches!(*method, "head" | "options"))
        });
        let operation = |(method, _): &(&'static str, &str)| {
            let mut connect = self.operation(method, "connect", "connect");
            let place = format!("connect{}", self.name);
            let rest = connect.id.strip_prefix(&place).unwrap_or_default();
            let sub_name = capital(&sub.name);
            connect.id = format!("{place}{}{rest}{sub_name}{last}", capital(method));
            let (upper, kind) = (method.to_uppercase(), &self.resource.kind);
            connect.description = format!("connect {upper} requests to {} of {kind}", sub.name);
            connect.produces = ANY;
            connect.answer = None;
            let kind = [&sub.group, &sub.version, &sub.kind].map(String::clone);
            connect.action = Some(("connect", kind));
            connect
        };
        methods.map(operation).collect()
    }
}
