//! Splits PTX text into tokens: words (with their dots, `%` and `$`), punctuation and strings, each with its line.

/// A token of a module's text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name, an opcode with its modifiers, a directive or a number.
    Word(&'a str),
    /// One of `, ; : [ ] { } ( ) < > + - ! | = @`.
    Mark(char),
    /// A string, without its quotes.
    Text(&'a str),
}

/// Splits a module's text; each token has its line number, from 1.
pub(crate) fn tokens(text: &str) -> Result<Vec<(u32, Token<'_>)>, String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\n' {
            line += 1;
            at += 1;
        } else if byte.is_ascii_whitespace() || byte == 0 {
            at += 1;
        } else if bytes[at..].starts_with(b"//") {
            at = text[at..].find('\n').map_or(bytes.len(), |n| at + n);
        } else if bytes[at..].starts_with(b"/*") {
            let len = text[at..].find("*/").ok_or(format!("line {line}: unterminated comment"))? + 2;
            line += text[at..at + len].matches('\n').count() as u32;
            at += len;
        } else if byte == b'"' {
            let len = text[at + 1..].find('"').ok_or(format!("line {line}: unterminated string"))?;
            found.push((line, Token::Text(&text[at + 1..at + 1 + len])));
            at += len + 2;
        } else if is_word(byte) {
            let len = bytes[at..].iter().take_while(|&&b| is_word(b)).count();
            found.push((line, Token::Word(&text[at..at + len])));
            at += len;
        } else if b",;:[]{}()<>+-!|=@".contains(&byte) {
            found.push((line, Token::Mark(byte as char)));
            at += 1;
        } else {
            let shown = text[at..].chars().next().unwrap_or('?');
            return Err(format!("line {line}: unexpected character {shown:?}"));
        }
    }
    Ok(found)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.$%".contains(&byte)
}
