//! Making a table of types, piece by piece.

use std::collections::{BTreeMap, HashMap};

use crate::types::{FieldNode, Format, ListNode, NameId, Node, Span, TypeId, Types};

/// Makes a `Types`.
#[derive(Debug, Default)]
pub struct Builder {
    types: Types,
    names: HashMap<Box<str>, NameId>,
    definitions: BTreeMap<Box<str>, TypeId>,
}

/// A field that is being declared.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct FieldSpec<'a> {
    pub name: &'a str,
    pub of: TypeId,
    pub required: bool,
    /// JSON.
    pub default: Option<&'a str>,
    /// `merge`, `replace`, `retainKeys`, or several with commas between.
    pub patch_strategy: &'a str,
    pub merge_key: Option<&'a str>,
}

impl<'a> FieldSpec<'a> {
    /// A field that may be missing, and about which nothing else is said.
    #[must_use]
    pub fn optional(name: &'a str, of: TypeId) -> Self {
        Self {
            name,
            of,
            required: false,
            default: None,
            patch_strategy: "",
            merge_key: None,
        }
    }
}

impl Builder {
    /// The number that the named type has, or will have once it is defined.
    pub fn definition(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.definitions.get(name) {
            return *id;
        }
        let id = self.node(Node::Pending);
        self.definitions.insert(name.into(), id);
        id
    }

    /// Makes the named type the same as `of`. What was not defined in the end is `Any`.
    pub fn define(&mut self, name: &str, of: TypeId) {
        let id = self.definition(name);
        self.types.nodes[id.0 as usize] = self.types.nodes[of.0 as usize];
    }

    /// Anything at all.
    pub fn any(&mut self) -> TypeId {
        self.node(Node::Any)
    }

    /// A string.
    pub fn string(&mut self, format: Format) -> TypeId {
        self.node(Node::String(format))
    }

    /// An integer.
    pub fn integer(&mut self, format: Format) -> TypeId {
        self.node(Node::Integer(format))
    }

    /// A number.
    pub fn number(&mut self) -> TypeId {
        self.node(Node::Number)
    }

    /// True or false.
    pub fn boolean(&mut self) -> TypeId {
        self.node(Node::Boolean)
    }

    /// An integer or a string.
    pub fn int_or_string(&mut self) -> TypeId {
        self.node(Node::IntOrString)
    }

    /// A list that is owned as a whole.
    pub fn atomic_list(&mut self, element: TypeId) -> TypeId {
        let kind = ListNode::Atomic;
        self.node(Node::List { element, kind })
    }

    /// A list whose elements are there once each.
    pub fn set(&mut self, element: TypeId) -> TypeId {
        let kind = ListNode::Set;
        self.node(Node::List { element, kind })
    }

    /// A list whose elements are told apart by the fields `keys`.
    pub fn map_list(&mut self, element: TypeId, keys: &[&str]) -> TypeId {
        let keys: Vec<NameId> = keys.iter().map(|key| self.name(key)).collect();
        let start = number(self.types.keys.len());
        self.types.keys.extend(keys);
        let end = number(self.types.keys.len());
        let kind = ListNode::Map(Span { start, end });
        self.node(Node::List { element, kind })
    }

    /// An object whose keys are data.
    pub fn map(&mut self, element: TypeId, atomic: bool) -> TypeId {
        self.node(Node::Map { element, atomic })
    }

    /// An object whose keys are fields.
    pub fn object(
        &mut self,
        fields: &[FieldSpec<'_>],
        atomic: bool,
        keeps_unknown: bool,
    ) -> TypeId {
        let mut fields = fields.to_vec();
        fields.sort_by_key(|field| field.name);
        let start = number(self.types.fields.len());
        for field in fields {
            let has = |word: &str| field.patch_strategy.split(',').any(|one| one == word);
            let node = FieldNode {
                name: self.name(field.name),
                of: field.of,
                required: field.required,
                default: field.default.map(|json| self.name(json)),
                merges: has("merge"),
                replaces: has("replace"),
                retains_keys: has("retainKeys"),
                merge_key: field.merge_key.map(|key| self.name(key)),
            };
            self.types.fields.push(node);
        }
        let end = number(self.types.fields.len());
        self.node(Node::Object {
            fields: Span { start, end },
            atomic,
            keeps_unknown,
        })
    }

    /// The finished table.
    #[must_use]
    pub fn finish(mut self) -> Types {
        let definitions = std::mem::take(&mut self.definitions);
        let definitions = definitions.into_iter();
        let definitions = definitions.map(|(name, id)| (self.name(&name), id));
        let definitions = definitions.collect();
        self.types.definitions = definitions;
        self.types
    }

    fn node(&mut self, node: Node) -> TypeId {
        self.types.nodes.push(node);
        TypeId(number(self.types.nodes.len()) - 1)
    }

    fn name(&mut self, name: &str) -> NameId {
        if let Some(id) = self.names.get(name) {
            return *id;
        }
        let id = NameId(number(self.types.names.len()));
        self.types.names.push(name.into());
        self.names.insert(name.into(), id);
        id
    }
}

fn number(length: usize) -> u32 {
    u32::try_from(length).expect("a table of types is far smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{ListKind, Shape};

    #[test]
    fn a_type_may_refer_to_itself_and_fields_are_found_by_name() {
        let mut builder = Builder::default();
        let own = builder.definition("Tree");
        let text = builder.string(Format::Plain);
        let children = builder.map_list(own, &["name"]);
        let mut name = FieldSpec::optional("name", text);
        name.required = true;
        let mut list = FieldSpec::optional("children", children);
        list.patch_strategy = "merge,retainKeys";
        list.merge_key = Some("name");
        let object = builder.object(&[name, list], false, false);
        builder.define("Tree", object);
        let types = builder.finish();

        let tree = types.definition("Tree").unwrap();
        let field = tree.field("children").unwrap();
        assert!(field.patch.merges && field.patch.retains_keys && !field.required);
        assert_eq!(field.patch.merge_key, Some("name"));
        let Shape::List(list) = field.of.shape() else {
            panic!("a list")
        };
        let ListKind::Map(keys) = list.kind else {
            panic!("with keys")
        };
        assert_eq!(keys.iter().collect::<Vec<_>>(), ["name"]);
        assert!(list.element.field("name").unwrap().required);
        assert!(tree.field("other").is_none() && types.definition("Other").is_none());
    }
}
