//! A small reader of protobuf's text format: as much of it as the conformance cases use.

/// A message: its fields in order, by name.
#[derive(Debug, Default, Clone)]
pub(crate) struct Message {
    pub(crate) fields: Vec<(String, Field)>,
}

/// A field's value.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    /// A number or a name.
    Word(String),
    /// A string or bytes.
    Text(Vec<u8>),
    Message(Message),
}

impl Message {
    pub(crate) fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Message> {
        self.fields
            .iter()
            .filter_map(move |(known, field)| match field {
                Field::Message(message) if known == name => Some(message),
                _ => None,
            })
    }

    pub(crate) fn message<'m>(&'m self, name: &'m str) -> Option<&'m Message> {
        self.messages(name).next()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(known, field)| match field {
            Field::Text(bytes) if known == name => std::str::from_utf8(bytes).ok(),
            _ => None,
        })
    }

    pub(crate) fn word(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(known, field)| match field {
            Field::Word(word) if known == name => Some(word.as_str()),
            _ => None,
        })
    }
}

pub(crate) fn parse(text: &str) -> Message {
    let mut reader = Reader { rest: text };
    reader.message()
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        loop {
            self.rest = self
                .rest
                .trim_start_matches([' ', '\t', '\r', '\n', ',', ';']);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = &self.rest[end..];
        }
    }

    fn message(&mut self) -> Message {
        let mut message = Message::default();
        loop {
            self.skip();
            if self.rest.is_empty() || self.rest.starts_with(['}', '>']) {
                self.rest = self.rest.get(1..).unwrap_or_default();
                return message;
            }
            let end = if self.rest.starts_with('[') {
                self.rest.find(']').unwrap() + 1
            } else {
                self.rest
                    .find(|c: char| !c.is_alphanumeric() && c != '_')
                    .unwrap()
            };
            let name = self.rest[..end].to_owned();
            self.rest = &self.rest[end..];
            self.skip();
            self.rest = self.rest.strip_prefix(':').unwrap_or(self.rest);
            self.skip();
            if let Some(rest) = self.rest.strip_prefix('[') {
                self.rest = rest;
                loop {
                    self.skip();
                    if let Some(rest) = self.rest.strip_prefix(']') {
                        self.rest = rest;
                        break;
                    }
                    let field = self.field();
                    message.fields.push((name.clone(), field));
                }
            } else {
                let field = self.field();
                message.fields.push((name, field));
            }
        }
    }

    fn field(&mut self) -> Field {
        if self.rest.starts_with(['{', '<']) {
            self.rest = &self.rest[1..];
            return Field::Message(self.message());
        }
        if self.rest.starts_with(['"', '\'']) {
            let mut text = Vec::new();
            while self.rest.starts_with(['"', '\'']) {
                self.string(&mut text);
                self.skip();
            }
            return Field::Text(text);
        }
        let end = self
            .rest
            .find(|c: char| !c.is_alphanumeric() && !"_.+-".contains(c));
        let end = end.unwrap_or(self.rest.len());
        assert!(end > 0, "no field at {:.40}", self.rest);
        let word = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        Field::Word(word)
    }

    fn string(&mut self, text: &mut Vec<u8>) {
        let mut chars = self.rest.chars();
        let quote = chars.next().unwrap();
        loop {
            let char = chars.next().expect("a string ends");
            if char == quote {
                break;
            }
            if char != '\\' {
                text.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            let number = |chars: &mut std::str::Chars<'_>, first: &str, max: usize, radix: u32| {
                let mut digits = first.to_owned();
                while digits.len() < max && chars.as_str().starts_with(|c: char| c.is_digit(radix))
                {
                    digits.extend(chars.next());
                }
                u32::from_str_radix(&digits, radix).unwrap()
            };
            match chars.next().unwrap() {
                'n' => text.push(b'\n'),
                'r' => text.push(b'\r'),
                't' => text.push(b'\t'),
                'a' => text.push(7),
                'b' => text.push(8),
                'f' => text.push(12),
                'v' => text.push(11),
                'x' => text.push(u8::try_from(number(&mut chars, "", 2, 16)).unwrap()),
                'u' => push(text, number(&mut chars, "", 4, 16)),
                'U' => push(text, number(&mut chars, "", 8, 16)),
                digit @ '0'..='7' => {
                    let byte = number(&mut chars, &digit.to_string(), 3, 8);
                    text.push(u8::try_from(byte).unwrap());
                }
                other => text.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        self.rest = chars.as_str();
    }
}

fn push(text: &mut Vec<u8>, code: u32) {
    text.extend(
        char::from_u32(code)
            .unwrap()
            .encode_utf8(&mut [0; 4])
            .as_bytes(),
    );
}
