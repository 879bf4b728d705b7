//! A reader for the JSON of the fixtures: whole documents of moderate size, no streaming.
//!
//! Strings hold bytes: every character must be below U+0100 and becomes one byte. Numbers are integers.

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string, as bytes.
    Text(Vec<u8>),
    /// `[...]`
    List(Vec<Json>),
    /// `{...}`, in the order written.
    Object(Vec<(Vec<u8>, Json)>),
}

impl Json {
    /// Reads a document; panics where it is not the JSON described above.
    pub fn read(text: &str) -> Json {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value();
        reader.skip_blanks();
        assert_eq!(
            reader.at,
            text.len(),
            "more behind the value: {}",
            &text[reader.at..]
        );
        value
    }

    /// The field `name` of an object; panics when it is missing.
    pub fn field(&self, name: &str) -> &Json {
        let Json::Object(fields) = self else {
            panic!("not an object: {self:?}")
        };
        let found = fields.iter().find(|(key, _)| key == name.as_bytes());
        &found.unwrap_or_else(|| panic!("no field {name}")).1
    }

    /// The elements of a list; panics on anything else.
    pub fn items(&self) -> &[Json] {
        let Json::List(items) = self else {
            panic!("not a list: {self:?}")
        };
        items
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        while self.text[self.at..].starts_with([' ', '\t', '\r', '\n']) {
            self.at += 1;
        }
    }

    /// Takes `word` if it comes next.
    fn takes(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn expect(&mut self, word: &str) {
        assert!(
            self.takes(word),
            "expected {word} at {}",
            &self.text[self.at..]
        );
    }

    fn value(&mut self) -> Json {
        if self.takes("null") {
            Json::Null
        } else if self.takes("true") {
            Json::Bool(true)
        } else if self.takes("false") {
            Json::Bool(false)
        } else if self.takes("[") {
            let mut items = Vec::new();
            while !self.takes("]") {
                if !items.is_empty() {
                    self.expect(",");
                }
                items.push(self.value());
            }
            Json::List(items)
        } else if self.takes("{") {
            let mut fields = Vec::new();
            while !self.takes("}") {
                if !fields.is_empty() {
                    self.expect(",");
                }
                let Json::Text(key) = self.value() else {
                    panic!("a key must be a string")
                };
                self.expect(":");
                fields.push((key, self.value()));
            }
            Json::Object(fields)
        } else if self.takes("\"") {
            Json::Text(self.string())
        } else {
            let rest = &self.text[self.at..];
            let len = rest
                .find(|c: char| c != '-' && !c.is_ascii_digit())
                .unwrap_or(rest.len());
            self.at += len;
            Json::Int(
                rest[..len]
                    .parse()
                    .unwrap_or_else(|_| panic!("not a value: {rest}")),
            )
        }
    }

    /// The rest of a string, behind its opening quote.
    fn string(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let byte =
            |code: u32| u8::try_from(code).unwrap_or_else(|_| panic!("U+{code:04X} is not a byte"));
        loop {
            let next = self.next_char();
            match next {
                '"' => return out,
                '\\' => match self.next_char() {
                    'u' => {
                        let digits = &self.text[self.at..self.at + 4];
                        self.at += 4;
                        out.push(byte(
                            u32::from_str_radix(digits, 16).expect("four hexadecimal digits"),
                        ));
                    }
                    'n' => out.push(b'\n'),
                    'r' => out.push(b'\r'),
                    't' => out.push(b'\t'),
                    'b' => out.push(8),
                    'f' => out.push(12),
                    other => out.push(byte(u32::from(other))),
                },
                other => out.push(byte(u32::from(other))),
            }
        }
    }

    fn next_char(&mut self) -> char {
        let next = self.text[self.at..]
            .chars()
            .next()
            .expect("a string ends with a quote");
        self.at += next.len_utf8();
        next
    }
}
