//! The text of a module, parsed and decoded.
//!
//! An unknown opcode, modifier, type or directive is an error with its line. Each is accepted only in the combinations
//! that the machine executes as the PTX ISA specifies.

mod builder;
mod decode;
mod lexer;
mod parser;
pub(crate) mod program;
mod transfer;

use std::collections::BTreeMap;
use std::sync::Arc;

use builder::Builder;
use lexer::Token;
use parser::Parser;
pub use program::Kernel;

/// A parsed module.
#[derive(Clone, Debug)]
pub struct Module {
    version: (u32, u32),
    target: u32,
    kernels: BTreeMap<String, Arc<Kernel>>,
}

/// The largest size of a variable in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Shared arrays of a module, available to all of its kernels: name, alignment, bytes.
type Symbols = Vec<(String, u32, u32)>;

impl Module {
    /// Parses PTX text.
    ///
    /// # Errors
    /// The line and the reason of a syntax error or unsupported feature.
    pub fn parse(ptx: &str) -> Result<Module, String> {
        let source = Arc::new(ptx.lines().map(String::from).collect::<Vec<_>>());
        let mut parser = Parser::new(lexer::tokens(ptx)?);
        let mut module = Module { version: (0, 0), target: 0, kernels: BTreeMap::new() };
        let mut symbols = Symbols::new();
        while parser.peek().is_some() {
            let line = parser.line();
            match parser.word()? {
                ".version" => {
                    let word = parser.word()?;
                    let parts = word.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                    module.version = parts.ok_or(format!("line {line}: expected a version, found {word}"))?;
                }
                ".target" => {
                    let word = parser.word()?;
                    let number = word.strip_prefix("sm_").and_then(|n| n.parse().ok());
                    module.target = number.filter(|n| *n >= 50).ok_or(format!("line {line}: unknown target {word}"))?;
                }
                ".address_size" => {
                    if parser.word()? != "64" {
                        return Err(format!("line {line}: expected 64-bit addresses"));
                    }
                }
                ".shared" => symbols.push(shared_array(&mut parser)?),
                ".visible" | ".weak" if matches!(parser.peek(), Some(Token::Word(".entry"))) => {}
                ".entry" => {
                    let kernel = entry(&mut parser, &symbols, &source, module.target)?;
                    if module.kernels.insert(kernel.name.clone(), Arc::new(kernel)).is_some() {
                        return Err(format!("line {line}: duplicate kernel"));
                    }
                }
                other => return Err(format!("line {line}: unknown directive {other}")),
            }
        }
        if module.version == (0, 0) || module.target == 0 {
            return Err("line 1: .version or .target is missing".into());
        }
        Ok(module)
    }

    /// The PTX version: (7, 0).
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The target: 75 for `sm_75`.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// A kernel by name.
    pub fn kernel(&self, name: &str) -> Option<Arc<Kernel>> {
        self.kernels.get(name).cloned()
    }

    /// All kernels, by name.
    pub fn kernels(&self) -> impl Iterator<Item = &Arc<Kernel>> {
        self.kernels.values()
    }
}

/// `[.align n] .type name[len]`: name, alignment, bytes.
fn variable(parser: &mut Parser<'_>) -> Result<(String, u32, u32), String> {
    let mut align = 0;
    let mut word = parser.word()?;
    if word == ".align" {
        align = parser.count()? as u32;
        word = parser.word()?;
    }
    let bytes = match word {
        ".b8" | ".u8" | ".s8" => 1,
        ".b16" | ".u16" | ".s16" | ".f16" => 2,
        ".b32" | ".u32" | ".s32" | ".f32" => 4,
        ".b64" | ".u64" | ".s64" | ".f64" => 8,
        other => return Err(parser.error(format!("unknown type {other}"))),
    };
    let name = parser.word()?.to_string();
    let mut count = 1;
    if parser.take('[') {
        count = parser.count()?;
        parser.expect(']')?;
    }
    let size = (count * bytes) as u32;
    if count * bytes > MOST_BYTES {
        return Err(parser.error(format!("{name} is too large")));
    }
    let align = if align == 0 { bytes as u32 } else { align };
    if !align.is_power_of_two() || align > 256 {
        return Err(parser.error(format!("invalid alignment {align}")));
    }
    Ok((name, align, size))
}

fn shared_array(parser: &mut Parser<'_>) -> Result<(String, u32, u32), String> {
    let array = variable(parser)?;
    parser.expect(';')?;
    Ok(array)
}

fn entry(parser: &mut Parser<'_>, symbols: &Symbols, source: &Arc<Vec<String>>, target: u32) -> Result<Kernel, String> {
    let mut builder = Builder::new(parser.word()?, target);
    if parser.take('(') {
        while !parser.take(')') {
            match parser.word()? {
                ".param" => {
                    let (name, align, bytes) = variable(parser)?;
                    builder.add_param(name, align, bytes).map_err(|e| parser.error(e))?;
                }
                other => return Err(parser.error(format!("unknown directive {other}"))),
            }
            parser.take(',');
        }
    }
    let mut max_threads: Option<u32> = None;
    while !parser.take('{') {
        match parser.word()? {
            ".maxntid" | ".reqntid" => {
                let mut threads = parser.count()?;
                while parser.take(',') {
                    threads = threads.saturating_mul(parser.count()?);
                }
                max_threads = Some(threads.min(1024) as u32);
            }
            ".minnctapersm" | ".maxnreg" => {
                parser.count()?;
            }
            other => return Err(parser.error(format!("unknown directive {other}"))),
        }
    }
    body(parser, &mut builder, symbols)?;
    builder.finish(source.clone(), max_threads)
}

/// The statements of a kernel, up to its closing brace.
fn body(parser: &mut Parser<'_>, builder: &mut Builder, symbols: &Symbols) -> Result<(), String> {
    let mut depth = 0;
    loop {
        let line = parser.line();
        if parser.take('{') {
            depth += 1;
            builder.open_scope();
            continue;
        }
        if parser.take('}') {
            if depth == 0 {
                return Ok(());
            }
            depth -= 1;
            builder.close_scope();
            continue;
        }
        if parser.take(';') {
            continue;
        }
        if let Some(label) = parser.label() {
            builder.label(label).map_err(|e| format!("line {line}: {e}"))?;
            continue;
        }
        match parser.peek() {
            Some(Token::Word(".reg")) => {
                parser.next()?;
                registers(parser, builder)?;
            }
            Some(Token::Word(".shared")) => {
                parser.next()?;
                let (name, align, bytes) = shared_array(parser)?;
                builder.add_shared(name, align, bytes).map_err(|e| format!("line {line}: {e}"))?;
            }
            Some(Token::Word(".pragma")) => {
                parser.next()?;
                match parser.next()? {
                    Token::Text("nounroll") => parser.expect(';')?,
                    other => return Err(format!("line {line}: unknown pragma {other:?}")),
                }
            }
            Some(Token::Word(word)) if word.starts_with('.') => {
                return Err(format!("line {line}: unknown directive {word}"));
            }
            _ => {
                let statement = parser.statement()?;
                builder.statement(&statement, symbols).map_err(|e| format!("line {}: {e}", statement.line))?;
            }
        }
    }
}

/// `.reg .f32 %f<5>, %x;`
fn registers(parser: &mut Parser<'_>, builder: &mut Builder) -> Result<(), String> {
    let kind = parser.word()?;
    loop {
        let name = parser.word()?;
        let mut names = vec![name.to_string()];
        if parser.take('<') {
            names = (0..parser.count()?.min(1 << 16)).map(|n| format!("{name}{n}")).collect();
            parser.expect('>')?;
        }
        for name in names {
            builder.register(kind, name).map_err(|e| parser.error(e))?;
        }
        if !parser.take(',') {
            return parser.expect(';');
        }
    }
}
