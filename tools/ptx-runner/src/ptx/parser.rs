//! Parses tokens into syntax: directives, statements and their operands, before names are resolved.

use super::lexer::Token;

/// An operand as written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    /// A register, a special register, a symbol, a label or `_`.
    Name(String),
    /// `!%p1`
    Not(String),
    /// An integer, in two's complement if negative.
    Integer(i128),
    /// `0f3F800000`
    Single(u32),
    /// `0d3FF0000000000000`
    Double(u64),
    /// `[base + offset]`
    Address(Box<Operand>, i64),
    /// `{a, b}`
    Vector(Vec<Operand>),
    /// `a|b`
    Pair(String, String),
}

/// An instruction as written.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    /// The predicate's name, and whether it is negated.
    pub(crate) guard: Option<(String, bool)>,
    pub(crate) opcode: String,
    pub(crate) operands: Vec<Operand>,
}

/// A cursor over the tokens.
pub(crate) struct Parser<'a> {
    tokens: Vec<(u32, Token<'a>)>,
    at: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(tokens: Vec<(u32, Token<'a>)>) -> Self {
        Self { tokens, at: 0 }
    }

    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|t| t.1)
    }

    /// The line of the next token, or of the last one at the end.
    pub(crate) fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.0)
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, String> {
        let token = self.peek().ok_or_else(|| self.error("unexpected end of the text"))?;
        self.at += 1;
        Ok(token)
    }

    pub(crate) fn error(&self, what: impl std::fmt::Display) -> String {
        format!("line {}: {what}", self.line())
    }

    /// Consumes the mark if it is next.
    pub(crate) fn take(&mut self, mark: char) -> bool {
        let is = self.peek() == Some(Token::Mark(mark));
        self.at += usize::from(is);
        is
    }

    pub(crate) fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take(mark) { Ok(()) } else { Err(self.error(format!("expected {mark:?}, found {:?}", self.peek()))) }
    }

    pub(crate) fn word(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            Some(Token::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            other => Err(self.error(format!("expected a word, found {other:?}"))),
        }
    }

    /// Parses a count or a size.
    pub(crate) fn count(&mut self) -> Result<u64, String> {
        let word = self.word()?;
        match number(word) {
            Some(Operand::Integer(n)) if (0..=i128::from(u32::MAX)).contains(&n) => Ok(n as u64),
            _ => Err(self.error(format!("expected a count, found {word}"))),
        }
    }

    /// Parses a label, if one is next.
    pub(crate) fn label(&mut self) -> Option<&'a str> {
        match (self.peek(), self.tokens.get(self.at + 1)) {
            (Some(Token::Word(word)), Some((_, Token::Mark(':')))) => {
                self.at += 2;
                Some(word)
            }
            _ => None,
        }
    }

    /// Parses an instruction up to its semicolon.
    pub(crate) fn statement(&mut self) -> Result<Statement, String> {
        let mut guard = None;
        let line = self.line();
        if self.take('@') {
            let negated = self.take('!');
            guard = Some((self.word()?.to_string(), negated));
        }
        let opcode = self.word()?.to_string();
        let mut operands = Vec::new();
        while !self.take(';') {
            if !operands.is_empty() {
                self.expect(',')?;
            }
            operands.push(self.operand()?);
        }
        Ok(Statement { line, guard, opcode, operands })
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.take('[') {
            let base = Box::new(self.single()?);
            let plus = self.take('+');
            let minus = self.take('-');
            let mut offset = 0;
            if plus || minus {
                offset = self.count()? as i64 * if minus { -1 } else { 1 };
            }
            self.expect(']')?;
            return Ok(Operand::Address(base, offset));
        }
        if self.take('{') {
            let mut list = vec![self.single()?];
            while self.take(',') {
                list.push(self.single()?);
            }
            self.expect('}')?;
            return Ok(Operand::Vector(list));
        }
        self.single()
    }

    /// Parses an operand without brackets or braces.
    fn single(&mut self) -> Result<Operand, String> {
        if self.take('!') {
            return Ok(Operand::Not(self.word()?.to_string()));
        }
        let minus = self.take('-');
        let word = self.word()?;
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return match number(word) {
                Some(Operand::Integer(n)) => Ok(Operand::Integer(if minus { -n } else { n })),
                Some(other) if !minus => Ok(other),
                _ => Err(self.error(format!("expected a number, found {word}"))),
            };
        }
        if minus {
            return Err(self.error(format!("unexpected minus before {word}")));
        }
        if self.take('|') {
            return Ok(Operand::Pair(word.to_string(), self.word()?.to_string()));
        }
        Ok(Operand::Name(word.to_string()))
    }
}

/// A PTX number: decimal, hexadecimal, octal or binary integers, `0f` and `0d` floats.
fn number(word: &str) -> Option<Operand> {
    let digits = |prefix: [&str; 2]| prefix.iter().find_map(|p| word.strip_prefix(p));
    if let Some(hex) = digits(["0f", "0F"]) {
        return (hex.len() == 8).then(|| u32::from_str_radix(hex, 16).ok().map(Operand::Single))?;
    }
    if let Some(hex) = digits(["0d", "0D"]) {
        return (hex.len() == 16).then(|| u64::from_str_radix(hex, 16).ok().map(Operand::Double))?;
    }
    let word_end = word.strip_suffix('U').unwrap_or(word);
    let parsed = if let Some(hex) = digits(["0x", "0X"]) {
        u64::from_str_radix(hex.strip_suffix('U').unwrap_or(hex), 16)
    } else if let Some(binary) = digits(["0b", "0B"]) {
        u64::from_str_radix(binary.strip_suffix('U').unwrap_or(binary), 2)
    } else if word_end.len() > 1 && word_end.starts_with('0') {
        u64::from_str_radix(word_end, 8)
    } else {
        word_end.parse()
    };
    parsed.ok().map(|n| Operand::Integer(i128::from(n)))
}
