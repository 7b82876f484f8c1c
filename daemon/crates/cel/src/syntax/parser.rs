//! Tokens made into a tree, macros expanded on the way.
//!
//! Knows nothing about types. Invariant: recursion is bounded by [`NESTING_MAX`], counted per rule
//! of the grammar as cel-go's parser counts it.

use crate::issue::Issues;
use crate::limits::{EXPRESSION_CODE_POINTS_MAX, NESTING_MAX, TREE_DEPTH_MAX, VALUE_NESTING_MAX};
use crate::syntax::ast::{Entry, Expr, Field, Id, Kind};
use crate::syntax::lexer::{self, Kind as T, Token};
use crate::syntax::macros;
use crate::syntax::nesting::nesting;
use crate::syntax::source::Source;
use crate::syntax::unquote::unquote;
use crate::value::Value;
use std::sync::Arc;

/// A parsed expression: the tree, and the place of every node by its id.
pub(crate) struct Parsed {
    pub(crate) root: Expr,
    pub(crate) places: Vec<u32>,
}

/// The macros that not every version has.
#[derive(Clone, Copy)]
pub(crate) struct Macros {
    pub(crate) two_variables: bool,
    pub(crate) sorting: bool,
    pub(crate) bindings: bool,
}

/// The parse has ended: the issues say why.
pub(crate) struct Stop;

type Result<T> = std::result::Result<T, Stop>;

/// Names that no variable can have.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// What an expression can begin with, in cel-go's words.
const BEGINNINGS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
                          NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// How deep the parser is in each rule that is recursive.
#[derive(Default)]
struct Depths {
    expression: usize,
    relation: usize,
    calculation: usize,
    member: usize,
}

/// The parser's state.
pub(crate) struct Parser<'s> {
    source: &'s Source,
    tokens: Vec<Token>,
    at: usize,
    places: Vec<u32>,
    depths: Depths,
    pub(crate) macros: Macros,
    issues: Issues,
}

/// Parses a text.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(source: &Source, macros: Macros) -> std::result::Result<Parsed, Issues> {
    let mut issues = Issues::default();
    let size = source.chars.len();
    if size > EXPRESSION_CODE_POINTS_MAX {
        let limit = EXPRESSION_CODE_POINTS_MAX;
        let text = format!("expression code point size exceeds limit: size: {size}, limit {limit}");
        issues.push(source.issue(None, text));
        return Err(issues);
    }
    let tokens = lexer::tokens(source, &mut |place, text| {
        issues.push(source.issue(offset(place), format!("Syntax error: {text}")));
    });
    let places = vec![0];
    let depths = Depths::default();
    let mut parser = Parser {
        source,
        tokens,
        at: 0,
        places,
        depths,
        macros,
        issues,
    };
    match parser.whole() {
        Ok(root) if parser.issues.is_empty() => Ok(Parsed {
            root,
            places: parser.places,
        }),
        _ => Err(parser.issues.sorted()),
    }
}

fn offset(place: usize) -> Option<u32> {
    u32::try_from(place).ok()
}

impl Parser<'_> {
    fn whole(&mut self) -> Result<Expr> {
        let root = self.expression()?;
        if self.peek().kind != T::End {
            let found = self.shown(self.peek());
            let last = self.at + 2 == self.tokens.len();
            let text = if last {
                format!("extraneous input {found} expecting <EOF>")
            } else {
                format!("mismatched input {found} expecting <EOF>")
            };
            return Err(self.syntax(self.peek().start, &text));
        }
        if depth_exceeds(&root, NESTING_MAX, TREE_DEPTH_MAX) || nesting(&root) > VALUE_NESTING_MAX {
            let text = "max recursion depth exceeded".to_owned();
            self.issues.push(self.source.issue(None, text));
            return Err(Stop);
        }
        Ok(root)
    }

    // Tokens.

    fn peek(&self) -> Token {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Token {
        let last = self.tokens.len() - 1;
        self.tokens[(self.at + count).min(last)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &'static str) -> Option<Token> {
        (self.peek().kind == T::Sign(sign)).then(|| self.next())
    }

    fn expect(&mut self, sign: &'static str) -> Result<Token> {
        if let Some(token) = self.take(sign) {
            return Ok(token);
        }
        let found = self.shown(self.peek());
        let text = format!("mismatched input {found} expecting '{sign}'");
        Err(self.syntax(self.peek().start, &text))
    }

    fn text(&self, token: Token) -> String {
        self.source.chars[token.start..token.end].iter().collect()
    }

    fn shown(&self, token: Token) -> String {
        if token.kind == T::End {
            "'<EOF>'".to_owned()
        } else {
            format!("'{}'", self.text(token))
        }
    }

    // Nodes and issues.

    fn id(&mut self, place: usize) -> Id {
        self.places.push(offset(place).unwrap_or_default());
        Id::try_from(self.places.len() - 1).unwrap_or_default()
    }

    /// How many nodes have been made.
    pub(crate) fn count(&self) -> usize {
        self.places.len()
    }

    /// A new node at the place of another: what macros make.
    pub(crate) fn node_at(&mut self, id: Id, kind: Kind) -> Expr {
        let place = self.places[id as usize] as usize;
        let id = self.id(place);
        Expr { id, kind }
    }

    fn node(&mut self, place: usize, kind: Kind) -> Expr {
        let id = self.id(place);
        Expr { id, kind }
    }

    fn syntax(&mut self, place: usize, text: &str) -> Stop {
        self.issues.push(
            self.source
                .issue(offset(place), format!("Syntax error: {text}")),
        );
        Stop
    }

    /// An issue that lets the parse go on, with a node in the place of what is wrong.
    fn wrong(&mut self, place: usize, text: String) -> Expr {
        self.issues.push(self.source.issue(offset(place), text));
        self.node(place, Kind::Unspecified)
    }

    fn deeper(&mut self, depth: fn(&mut Depths) -> &mut usize) -> Result<()> {
        let depth = depth(&mut self.depths);
        *depth += 1;
        if *depth <= NESTING_MAX {
            return Ok(());
        }
        let text = format!("expression recursion limit exceeded: {NESTING_MAX}");
        self.issues.push(self.source.issue(None, text));
        Err(Stop)
    }

    // Rules, in the order of the grammar.

    fn expression(&mut self) -> Result<Expr> {
        self.deeper(|depths| &mut depths.expression)?;
        let condition = self.logic("||", "_||_")?;
        let whole = if let Some(sign) = self.take("?") {
            let id = self.id(sign.start);
            let then = self.logic("||", "_||_")?;
            self.expect(":")?;
            let otherwise = self.expression()?;
            call(id, "_?_:_", vec![condition, then, otherwise])
        } else {
            condition
        };
        self.depths.expression -= 1;
        Ok(whole)
    }

    /// Terms joined by `||`, or by `&&`: a balanced tree of them.
    fn logic(&mut self, sign: &'static str, function: &'static str) -> Result<Expr> {
        let mut terms = vec![self.term(sign)?];
        let mut ids = Vec::new();
        while let Some(token) = self.take(sign) {
            terms.push(self.term(sign)?);
            ids.push(self.id(token.start));
        }
        let mut terms = terms.into_iter();
        Ok(balanced(&mut terms, &ids, function))
    }

    fn term(&mut self, sign: &'static str) -> Result<Expr> {
        if sign == "||" {
            self.logic("&&", "_&&_")
        } else {
            self.relation()
        }
    }

    fn relation(&mut self) -> Result<Expr> {
        self.deeper(|depths| &mut depths.relation)?;
        let mut rules = 1;
        let mut left = self.calculation(1)?;
        while let T::Sign(sign @ ("<" | "<=" | ">=" | ">" | "==" | "!=" | "in")) = self.peek().kind
        {
            let token = self.next();
            self.deeper(|depths| &mut depths.relation)?;
            rules += 1;
            let id = self.id(token.start);
            let right = self.calculation(1)?;
            left = call(id, operator(sign), vec![left, right]);
        }
        self.depths.relation -= rules;
        Ok(left)
    }

    /// Sums (from 1) and products (from 2).
    fn calculation(&mut self, from: u8) -> Result<Expr> {
        self.deeper(|depths| &mut depths.calculation)?;
        let mut rules = 1;
        let mut left = self.unary()?;
        while let T::Sign(sign @ ("*" | "/" | "%" | "+" | "-")) = self.peek().kind {
            let binding = if matches!(sign, "+" | "-") { 1 } else { 2 };
            if binding < from {
                break;
            }
            let token = self.next();
            self.deeper(|depths| &mut depths.calculation)?;
            rules += 1;
            let id = self.id(token.start);
            let right = self.calculation(binding + 1)?;
            left = call(id, operator(sign), vec![left, right]);
        }
        self.depths.calculation -= rules;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr> {
        let T::Sign(sign @ ("!" | "-")) = self.peek().kind else {
            return self.member();
        };
        if sign == "-" && matches!(self.ahead(1).kind, T::Int | T::Float) {
            return self.member();
        }
        let first = self.peek().start;
        let mut count = 0usize;
        while self.take(sign).is_some() {
            count += 1;
        }
        if count.is_multiple_of(2) {
            return self.member();
        }
        let id = self.id(first);
        let operand = self.member()?;
        Ok(call(
            id,
            if sign == "!" { "!_" } else { "-_" },
            vec![operand],
        ))
    }

    fn member(&mut self) -> Result<Expr> {
        self.deeper(|depths| &mut depths.member)?;
        let mut rules = 1;
        let mut operand = self.primary()?;
        loop {
            operand = if let Some(dot) = self.take(".") {
                self.selection(dot, operand)?
            } else if let Some(open) = self.take("[") {
                let function = if self.take("?").is_some() {
                    "_[?_]"
                } else {
                    "_[_]"
                };
                let id = self.id(open.start);
                let index = self.expression()?;
                self.expect("]")?;
                call(id, function, vec![operand, index])
            } else {
                break;
            };
            self.deeper(|depths| &mut depths.member)?;
            rules += 1;
        }
        self.depths.member -= rules;
        Ok(operand)
    }

    /// What follows a dot: a field, an optional field, or a member function.
    fn selection(&mut self, dot: Token, operand: Expr) -> Result<Expr> {
        let optional = self.take("?").is_some();
        let token = self.peek();
        let name = self.field_name()?;
        if optional {
            let id = self.id(dot.start);
            let field = self.node(token.start, Kind::Literal(Value::string(name)));
            return Ok(call(id, "_?._", vec![operand, field]));
        }
        if token.kind == T::Ident
            && let Some(open) = self.take("(")
        {
            let args = self.list_of(")", Self::expression)?;
            let id = self.id(open.start);
            return Ok(self.call_or_macro(id, &name, Some(operand), args));
        }
        let kind = Kind::Select {
            operand: Box::new(operand),
            field: name.into(),
            test_only: false,
        };
        Ok(self.node(dot.start, kind))
    }

    fn field_name(&mut self) -> Result<String> {
        let token = self.next();
        match token.kind {
            T::Ident => Ok(self.text(token)),
            T::EscapedIdent => {
                self.wrong(token.start, "unsupported syntax: '`'".to_owned());
                Ok(self.text(token))
            }
            _ => {
                let found = self.shown(token);
                let text = format!(
                    "no viable alternative at input '.{}'",
                    found.trim_matches('\'')
                );
                let text = if token.kind == T::End {
                    "no viable alternative at input '.'".to_owned()
                } else {
                    text
                };
                Err(self.syntax(token.start, &text))
            }
        }
    }

    fn primary(&mut self) -> Result<Expr> {
        let token = self.peek();
        match token.kind {
            T::Sign("(") => {
                self.next();
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            T::Sign("[") => self.list(),
            T::Sign("{") => self.map(),
            T::Sign(".") | T::Ident => self.name(),
            T::Sign(word @ ("true" | "false" | "null")) => {
                self.next();
                let value = if word == "null" {
                    Value::Null
                } else {
                    Value::Bool(word == "true")
                };
                Ok(self.node(token.start, Kind::Literal(value)))
            }
            T::Sign("-") if matches!(self.ahead(1).kind, T::Int | T::Float) => {
                self.next();
                self.literal(token.start, "-")
            }
            T::Int | T::Uint | T::Float | T::String | T::Bytes => self.literal(token.start, ""),
            _ => {
                let found = self.shown(token);
                let text = format!("mismatched input {found} expecting {BEGINNINGS}");
                Err(self.syntax(token.start, &text))
            }
        }
    }

    fn literal(&mut self, place: usize, sign: &str) -> Result<Expr> {
        let token = self.next();
        let text = self.text(token);
        let value = match token.kind {
            T::Int => number(sign, &text)
                .map(Value::Int)
                .ok_or("invalid int literal"),
            T::Uint => natural(&text)
                .map(Value::Uint)
                .ok_or("invalid uint literal"),
            T::Float => {
                let number = format!("{sign}{text}").parse::<f64>().ok();
                let number = number.filter(|number| number.is_finite());
                number.map(Value::Double).ok_or("invalid double literal")
            }
            T::Bytes => unquote(&text[1..], true).map(Value::bytes),
            _ => unquote(&text, false)
                .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "invalid string literal"))
                .map(Value::string),
        };
        Ok(match value {
            Ok(value) => self.node(place, Kind::Literal(value)),
            Err(text) => self.wrong(place, text.to_owned()),
        })
    }

    /// A variable, a function, or an object that is made.
    fn name(&mut self) -> Result<Expr> {
        let start = self.peek().start;
        let dot = if self.take(".").is_some() { "." } else { "" };
        let token = self.peek();
        if token.kind != T::Ident {
            let found = self.shown(token);
            let text = format!("mismatched input {found} expecting IDENTIFIER");
            return Err(self.syntax(token.start, &text));
        }
        if let Some(parts) = self.object_name() {
            return self.object(format!("{dot}{parts}"));
        }
        self.next();
        let name = self.text(token);
        let open = self.take("(");
        let args = match open {
            Some(_) => Some(self.list_of(")", Self::expression)?),
            None => None,
        };
        if RESERVED.contains(&name.as_str()) {
            return Ok(self.wrong(start, format!("reserved identifier: {name}")));
        }
        let name = format!("{dot}{name}");
        let (Some(open), Some(args)) = (open, args) else {
            return Ok(self.node(token.start, Kind::Ident(name.into())));
        };
        let id = self.id(open.start);
        Ok(self.call_or_macro(id, &name, None, args))
    }

    /// The name of an object type, when `{` follows it; it is then taken.
    fn object_name(&mut self) -> Option<String> {
        let mut name = self.text(self.peek());
        let mut count = 1;
        while self.ahead(count).kind == T::Sign(".") && self.ahead(count + 1).kind == T::Ident {
            name.push('.');
            name.push_str(&self.text(self.ahead(count + 1)));
            count += 2;
        }
        if self.ahead(count).kind != T::Sign("{") {
            return None;
        }
        self.at += count;
        Some(name)
    }

    fn object(&mut self, name: String) -> Result<Expr> {
        let open = self.expect("{")?;
        let id = self.id(open.start);
        let fields = self.list_of("}", |parser| {
            let optional = parser.take("?").is_some();
            let name = parser.field_name()?.into();
            let colon = parser.expect(":")?;
            let id = parser.id(colon.start);
            let value = parser.expression()?;
            Ok(Field {
                id,
                name,
                value,
                optional,
            })
        })?;
        Ok(Expr {
            id,
            kind: Kind::Struct {
                name: name.into(),
                fields,
            },
        })
    }

    fn list(&mut self) -> Result<Expr> {
        let open = self.next();
        let id = self.id(open.start);
        let items = self.list_of("]", |parser| {
            let optional = parser.take("?").is_some();
            Ok((parser.expression()?, optional))
        })?;
        let (items, optional) = items.into_iter().unzip();
        Ok(Expr {
            id,
            kind: Kind::List { items, optional },
        })
    }

    fn map(&mut self) -> Result<Expr> {
        let open = self.next();
        let id = self.id(open.start);
        let entries = self.list_of("}", |parser| {
            let optional = parser.take("?").is_some();
            let key = parser.expression()?;
            parser.expect(":")?;
            let value = parser.expression()?;
            Ok(Entry {
                key,
                value,
                optional,
            })
        })?;
        Ok(Expr {
            id,
            kind: Kind::Map(entries),
        })
    }

    /// Parts with commas between them, up to the closing sign; before `]` and `}` a comma more.
    fn list_of<P>(
        &mut self,
        close: &'static str,
        part: fn(&mut Self) -> Result<P>,
    ) -> Result<Vec<P>> {
        let mut parts = Vec::new();
        if self.take(close).is_some() {
            return Ok(parts);
        }
        loop {
            if close != ")" && self.peek().kind == T::Sign(",") && parts.is_empty() {
                self.next();
                break;
            }
            parts.push(part(self)?);
            if self.take(",").is_none() || (close != ")" && self.peek().kind == T::Sign(close)) {
                break;
            }
        }
        self.expect(close)?;
        Ok(parts)
    }

    fn call_or_macro(
        &mut self,
        id: Id,
        function: &str,
        target: Option<Expr>,
        args: Vec<Expr>,
    ) -> Expr {
        match macros::expand(self, id, function, target, args) {
            macros::Outcome::Expanded(expr) => expr,
            macros::Outcome::Wrong(id, text) => {
                let place = self.places[id as usize] as usize;
                self.wrong(place, text)
            }
            macros::Outcome::Call(target, args) => {
                let target = target.map(Box::new);
                Expr {
                    id,
                    kind: Kind::Call {
                        function: function.into(),
                        target,
                        args,
                    },
                }
            }
        }
    }
}

/// A call of a global function.
pub(crate) fn call(id: Id, function: &str, args: Vec<Expr>) -> Expr {
    Expr {
        id,
        kind: Kind::Call {
            function: Arc::from(function),
            target: None,
            args,
        },
    }
}

/// The function behind an operator.
fn operator(sign: &str) -> &'static str {
    match sign {
        "<" => "_<_",
        "<=" => "_<=_",
        ">=" => "_>=_",
        ">" => "_>_",
        "==" => "_==_",
        "!=" => "_!=_",
        "in" => "@in",
        "*" => "_*_",
        "/" => "_/_",
        "%" => "_%_",
        "+" => "_+_",
        _ => "_-_",
    }
}

/// Terms as a balanced tree: the operator in the middle is the root.
fn balanced(terms: &mut std::vec::IntoIter<Expr>, ids: &[Id], function: &'static str) -> Expr {
    let middle = ids.len() / 2;
    if ids.is_empty() {
        // There is one term more than there are operators.
        return terms.next().unwrap_or(Expr {
            id: 0,
            kind: Kind::Unspecified,
        });
    }
    let left = balanced(terms, &ids[..middle], function);
    let right = balanced(terms, &ids[middle + 1..], function);
    call(ids[middle], function, vec![left, right])
}

fn number(sign: &str, text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(&format!("{sign}{digits}"), 16).ok(),
        None => format!("{sign}{text}").parse().ok(),
    }
}

fn natural(text: &str) -> Option<u64> {
    let text = &text[..text.len() - 1];
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether a tree has more operators and members one in the other than cel-go visits, or more
/// nodes of any kind than evaluation has stack for.
fn depth_exceeds(expr: &Expr, visits: usize, depth: usize) -> bool {
    let visited = match &expr.kind {
        Kind::Select { .. } => true,
        Kind::Call {
            function, target, ..
        } => {
            target.is_some()
                || (function.contains('_') && !matches!(&**function, "_&&_" | "_||_" | "!_" | "-_"))
        }
        _ => false,
    };
    let Some(visits) = visits.checked_sub(usize::from(visited)) else {
        return true;
    };
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    let mut exceeds = false;
    expr.children(&mut |child| exceeds = exceeds || depth_exceeds(child, visits, depth));
    exceeds
}
