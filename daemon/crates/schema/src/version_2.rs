//! OpenAPI v2 as JSON, written from its protobuf form while that is inflated.
//!
//! Only the protobuf form lies in the binary, because it is the one that clients ask for. The
//! messages are those of gnostic's `OpenAPIv2.proto`, as far as our own document has them; what a
//! field is called in JSON is in one table. Invariant: the document is our own, so it is whole and
//! nested a few levels deep; a test reads all of it.

use crate::limits::CHUNK_BYTES;
use crate::openapi::Plain;

/// The document of OpenAPI v2 as JSON, chunk by chunk. Holds one window and a few kilobytes.
pub struct Json<'d> {
    plain: Plain<'d>,
    /// Inflated and not yet read, from `read` on.
    bytes: Vec<u8>,
    read: usize,
    /// Of the document, how many bytes are read.
    offset: usize,
    stack: Vec<Frame>,
    out: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Document,
    Info,
    Paths,
    PathItem,
    Operation,
    /// Whose only field is one of JSON: `ParametersItem`, `Parameter`, `Definitions`.
    Names(&'static Self),
    /// A name and a value, which in JSON are a key and its value.
    Named(&'static Self),
    OneOf(&'static [(usize, Self)]),
    Body,
    Query,
    PathParameter,
    Response,
    Schema,
    Security,
    Requirement,
    Reference,
    /// A text that stands for the message.
    Type,
    /// What is JSON already.
    Any,
    EmptyList,
}

#[derive(Debug, Clone, Copy)]
enum Is {
    Text(&'static str),
    Texts(&'static str),
    /// The value of the message itself.
    OnlyText,
    /// The value of the message itself, as JSON.
    OnlyJson,
    Flag(&'static str),
    One(&'static str, Kind),
    Many(&'static str, Kind),
    /// One of many keys and values of the message itself.
    Entry(Kind),
    /// What the message itself is.
    Itself(Kind),
}

struct Frame {
    kind: Kind,
    /// Where in the document it ends.
    end: usize,
    braces: bool,
    empty: bool,
    /// The number of the field of which a list is open.
    list: Option<usize>,
}

const SCHEMA_ITEM: Kind = Kind::OneOf(&[(1, Kind::Schema)]);
const NON_BODY: Kind = Kind::OneOf(&[(3, Kind::Query), (4, Kind::PathParameter)]);
const PARAMETER: Kind = Kind::OneOf(&[(1, Kind::Body), (2, NON_BODY)]);
const PARAMETERS_ITEM: Kind = Kind::OneOf(&[(1, PARAMETER), (2, Kind::Reference)]);
const RESPONSE_VALUE: Kind = Kind::OneOf(&[(1, Kind::Response)]);
const SECURITY_ITEM: Kind = Kind::OneOf(&[(2, Kind::Security)]);

/// What field `number` of a message of this kind is in JSON.
fn field(kind: Kind, number: usize) -> Option<Is> {
    use Is::{Entry, Flag, Itself, Many, One, OnlyJson, OnlyText, Text, Texts};
    Some(match (kind, number) {
        (Kind::Document, 1) => Text("swagger"),
        (Kind::Document, 2) => One("info", Kind::Info),
        (Kind::Document, 8) => One("paths", Kind::Paths),
        (Kind::Document, 9) => One("definitions", Kind::Names(&Kind::Schema)),
        (Kind::Document, 10) => One("parameters", Kind::Names(&PARAMETER)),
        (Kind::Document, 12) => Many("security", Kind::Requirement),
        (Kind::Document, 13) => One("securityDefinitions", Kind::Names(&SECURITY_ITEM)),
        (Kind::Info, 1) => Text("title"),
        (Kind::Info, 2) => Text("version"),
        (Kind::Paths, 2) => Entry(Kind::Named(&Kind::PathItem)),
        (Kind::Names(value), 1) => Entry(Kind::Named(value)),
        (Kind::Requirement, 1) => Entry(Kind::Named(&Kind::EmptyList)),
        (Kind::Named(value), 2) => Itself(*value),
        (Kind::OneOf(choices), _) => {
            let (_, kind) = choices.iter().find(|(one, _)| *one == number)?;
            Itself(*kind)
        }
        (Kind::PathItem, 2) => One("get", Kind::Operation),
        (Kind::PathItem, 3) => One("put", Kind::Operation),
        (Kind::PathItem, 4) => One("post", Kind::Operation),
        (Kind::PathItem, 5) => One("delete", Kind::Operation),
        (Kind::PathItem, 6) => One("options", Kind::Operation),
        (Kind::PathItem, 7) => One("head", Kind::Operation),
        (Kind::PathItem, 8) => One("patch", Kind::Operation),
        (Kind::PathItem, 9) | (Kind::Operation, 8) => Many("parameters", PARAMETERS_ITEM),
        (Kind::Operation, 1) => Texts("tags"),
        (Kind::Operation, 3) => Text("description"),
        (Kind::Operation, 5) => Text("operationId"),
        (Kind::Operation, 6) => Texts("produces"),
        (Kind::Operation, 7) => Texts("consumes"),
        (Kind::Operation, 9) => One("responses", Kind::Names(&RESPONSE_VALUE)),
        (Kind::Operation, 10) => Texts("schemes"),
        (Kind::Operation, 13) | (Kind::Schema, 31) => Entry(Kind::Named(&Kind::Any)),
        (Kind::Any, 2) => OnlyJson,
        (Kind::Type, 1) => OnlyText,
        (Kind::Body, 1) | (Kind::Response, 1) => Text("description"),
        (Kind::Body, 2) | (Kind::Security, 2) => Text("name"),
        (Kind::Body, 3) | (Kind::Security, 3) => Text("in"),
        (Kind::Body, 4) => Flag("required"),
        (Kind::Body, 5) => One("schema", Kind::Schema),
        (Kind::Query | Kind::PathParameter, 1) => Flag("required"),
        (Kind::Query | Kind::PathParameter, 2) => Text("in"),
        (Kind::Query | Kind::PathParameter, 3) => Text("description"),
        (Kind::Query | Kind::PathParameter, 4) => Text("name"),
        (Kind::Query, 6) | (Kind::PathParameter, 5) | (Kind::Security, 1) => Text("type"),
        (Kind::Query, 20) | (Kind::PathParameter, 19) => Flag("uniqueItems"),
        (Kind::Response, 2) => One("schema", SCHEMA_ITEM),
        (Kind::Security, 4) | (Kind::Schema, 4) => Text("description"),
        (Kind::Reference | Kind::Schema, 1) => Text("$ref"),
        (Kind::Schema, 2) => Text("format"),
        (Kind::Schema, 19) => Texts("required"),
        (Kind::Schema, 21) => One("additionalProperties", SCHEMA_ITEM),
        (Kind::Schema, 22) => One("type", Kind::Type),
        (Kind::Schema, 23) => One("items", SCHEMA_ITEM),
        (Kind::Schema, 25) => One("properties", Kind::Names(&Kind::Schema)),
        _ => return None,
    })
}

impl Kind {
    fn has_braces(self) -> bool {
        let bare = [Self::Type, Self::Any, Self::EmptyList].contains(&self);
        !bare && !matches!(self, Self::Named(_) | Self::OneOf(_))
    }
}

impl<'d> Json<'d> {
    pub(crate) fn new(plain: Plain<'d>, length: usize) -> Self {
        let mut json = Self {
            plain,
            bytes: Vec::new(),
            read: 0,
            offset: 0,
            stack: Vec::new(),
            out: Vec::new(),
        };
        json.begin(Kind::Document, length);
        json
    }

    /// Reads one field, or ends one message. Nothing at the end of the document.
    fn step(&mut self) -> Option<()> {
        let frame = self.stack.last()?;
        let kind = frame.kind;
        if self.offset >= frame.end {
            self.end_list(None);
            if self.stack.pop()?.braces {
                self.out.push(b'}');
            }
            return Some(());
        }
        let tag = self.varint()?;
        let number = tag >> 3;
        if let (Kind::Named(_), 1) = (kind, number) {
            let name = self.text()?;
            self.key(&name);
            return Some(());
        }
        let is = field(kind, number)?;
        self.end_list(Some(number));
        match is {
            Is::Text(key) => {
                self.key(key);
                self.value()?;
            }
            Is::OnlyText => self.value()?,
            Is::OnlyJson => {
                let json = self.text()?;
                self.out.extend_from_slice(json.as_bytes());
            }
            Is::Flag(key) => {
                self.key(key);
                let set = self.varint()? != 0;
                let text: &[u8] = if set { b"true" } else { b"false" };
                self.out.extend_from_slice(text);
            }
            Is::Texts(key) => {
                self.element(key, number);
                self.value()?;
            }
            Is::Many(key, kind) => {
                self.element(key, number);
                self.message(kind)?;
            }
            Is::One(key, kind) => {
                self.key(key);
                self.message(kind)?;
            }
            Is::Entry(kind) | Is::Itself(kind) => self.message(kind)?,
        }
        Some(())
    }

    fn message(&mut self, kind: Kind) -> Option<()> {
        let length = self.varint()?;
        self.begin(kind, self.offset + length);
        Some(())
    }

    fn begin(&mut self, kind: Kind, end: usize) {
        let braces = kind.has_braces();
        if braces {
            self.out.push(b'{');
        } else if kind == Kind::EmptyList {
            self.out.extend_from_slice(b"[]");
        }
        self.stack.push(Frame {
            kind,
            end,
            braces,
            empty: true,
            list: None,
        });
    }

    fn key(&mut self, key: &str) {
        let object = self.stack.iter_mut().rev().find(|frame| frame.braces);
        if let Some(object) = object {
            if !object.empty {
                self.out.push(b',');
            }
            object.empty = false;
        }
        self.string(key);
        self.out.push(b':');
    }

    /// Begins the list `key`, or goes on with it.
    fn element(&mut self, key: &str, number: usize) {
        if self.stack.last().is_some_and(|frame| frame.list.is_some()) {
            self.out.push(b',');
            return;
        }
        self.key(key);
        self.out.push(b'[');
        if let Some(frame) = self.stack.last_mut() {
            frame.list = Some(number);
        }
    }

    /// Ends the list that is open, unless it is of this field.
    fn end_list(&mut self, but: Option<usize>) {
        let Some(frame) = self.stack.last_mut() else {
            return;
        };
        if frame.list.is_some() && frame.list != but {
            frame.list = None;
            self.out.push(b']');
        }
    }

    fn value(&mut self) -> Option<()> {
        let text = self.text()?;
        self.string(&text);
        Some(())
    }

    fn string(&mut self, text: &str) {
        let json = serde_json::Value::from(text).to_string();
        self.out.extend_from_slice(json.as_bytes());
    }

    fn text(&mut self) -> Option<String> {
        let length = self.varint()?;
        while self.bytes.len() - self.read < length {
            self.refill()?;
        }
        let bytes = &self.bytes[self.read..self.read + length];
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.read += length;
        self.offset += length;
        Some(text)
    }

    fn varint(&mut self) -> Option<usize> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            while self.read == self.bytes.len() {
                self.refill()?;
            }
            let byte = self.bytes[self.read];
            self.read += 1;
            self.offset += 1;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn refill(&mut self) -> Option<()> {
        let chunk = self.plain.next()?;
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend(chunk);
        Some(())
    }
}

impl Iterator for Json<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        while self.out.len() < CHUNK_BYTES && self.step().is_some() {}
        let chunk = std::mem::take(&mut self.out);
        (!chunk.is_empty()).then_some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::built_in_documents;

    #[test]
    fn the_document_is_whole_and_its_parts_are_where_they_belong() {
        let documents = built_in_documents();
        let json: Vec<u8> = documents.version_2_json().flatten().collect();
        let document: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(document["swagger"], "2.0");
        assert_eq!(document["security"], json!([{"BearerToken": []}]));
        let token = &document["securityDefinitions"]["BearerToken"];
        assert_eq!(
            (&token["in"], &token["type"]),
            (&json!("header"), &json!("apiKey"))
        );
        let pod = &document["definitions"]["io.k8s.api.core.v1.Pod"];
        let kinds = json!([{"group": "", "version": "v1", "kind": "Pod"}]);
        assert_eq!(pod["x-kubernetes-group-version-kind"], kinds);
        assert_eq!(pod["type"], "object");
        let spec = &document["definitions"]["io.k8s.api.core.v1.PodSpec"];
        assert_eq!(spec["required"], json!(["containers"]));
        let containers = &spec["properties"]["containers"];
        assert_eq!(
            containers["items"]["$ref"],
            "#/definitions/io.k8s.api.core.v1.Container"
        );
        let selector = &spec["properties"]["nodeSelector"];
        assert_eq!(selector["additionalProperties"], json!({"type": "string"}));
        let item = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"];
        assert_eq!(
            item["parameters"][1],
            json!({"$ref": "#/parameters/namespace"})
        );
        assert_eq!(item["parameters"][0]["required"], true);
        let patch = &item["patch"];
        assert_eq!(patch["consumes"].as_array().unwrap().len(), 4);
        assert_eq!(patch["parameters"][0]["in"], "body");
        assert_eq!(patch["parameters"][1]["uniqueItems"], true);
        let answer = &patch["responses"]["200"]["schema"]["$ref"];
        assert_eq!(*answer, "#/definitions/io.k8s.api.core.v1.Pod");
    }
}
