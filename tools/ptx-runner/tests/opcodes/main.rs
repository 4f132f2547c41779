//! Each opcode against the sentence or formula of the PTX ISA, computed independently.

mod control;
mod convert;
mod float;
mod integer;
mod memory;
mod refused;
mod tensor;

use ptx_runner::{Counters, Fault, Launch, Memory, Module};

/// The type of a test register.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ty {
    B16,
    B32,
    B64,
    Pred,
}

/// A module of one kernel `k` for sm_80; the body declares its registers. Its parameters are the addresses `a` and `b`.
pub(crate) fn module(body: &str) -> Result<Module, String> {
    Module::parse(&format!(
        ".version 7.0\n.target sm_80\n.address_size 64\n\
         .visible .entry k(.param .u64 a, .param .u64 b)\n{{\n{body}\n}}\n"
    ))
}

/// Runs a body on one block. Memory `a` holds `input`; memory `b` starts with this many zero bytes and is returned.
pub(crate) fn run_with(body: &str, threads: u32, input: &[u8], output: usize) -> Result<(Vec<u8>, Counters), Fault> {
    let module = module(body).unwrap_or_else(|e| panic!("{e} in\n{body}"));
    let memory = Memory::new(1 << 24);
    let (a, b) = (memory.alloc(input.len().max(1) as u64).unwrap(), memory.alloc(output as u64).unwrap());
    memory.write(a, input)?;
    memory.fill(b, 0, output as u64)?;
    let params = [a.to_le_bytes(), b.to_le_bytes()].concat();
    let kernel = module.kernel("k").unwrap();
    let launch = Launch { kernel: &kernel, grid: [1, 1, 1], block: [threads, 1, 1], params: &params, sample: None };
    let counters = ptx_runner::run(&launch, &memory)?;
    let mut out = vec![0; output];
    memory.read(b, &mut out)?;
    Ok((out, counters))
}

/// Runs a body on one warp; each lane has its number in `%lane` and leaves a word in `%out`.
pub(crate) fn lanes(body: &str) -> Result<[u32; 32], Fault> {
    let text = format!(
        ".reg .b32 %lane, %out, %r<20>; .reg .b64 %d<9>; .reg .pred %p<9>; .reg .b16 %h<9>;\n\
         mov.u32 %lane, %tid.x;\n{body}\n\
         ld.param.u64 %d0, [b]; mad.wide.u32 %d0, %lane, 4, %d0; st.global.b32 [%d0], %out; ret;"
    );
    let (out, _) = run_with(&text, 32, &[], 128)?;
    Ok(std::array::from_fn(|i| u32::from_le_bytes(out[4 * i..4 * i + 4].try_into().unwrap())))
}

/// The results of an opcode for all cases, one case per thread.
pub(crate) fn each(opcode: &str, d: Ty, sources: &[Ty], cases: &[Vec<u64>]) -> Vec<u64> {
    let reg = |ty: Ty| match ty {
        Ty::B16 => "%h",
        Ty::B32 => "%w",
        Ty::B64 => "%x",
        Ty::Pred => "%p",
    };
    let bits = |ty: Ty| match ty {
        Ty::B16 => 16,
        Ty::B32 => 32,
        _ => 64,
    };
    let n = sources.len();
    let mut body = format!(
        ".reg .b16 %h<9>; .reg .b32 %w<9>, %t; .reg .b64 %x<9>, %in, %out; .reg .pred %p<9>;\n\
         mov.u32 %t, %tid.x;\n\
         ld.param.u64 %in, [a]; mad.wide.u32 %in, %t, {}, %in;\n\
         ld.param.u64 %out, [b]; mad.wide.u32 %out, %t, 8, %out;\n",
        8 * n
    );
    let mut names = vec![format!("{}0", reg(d))];
    for (k, ty) in sources.iter().enumerate() {
        let (name, at) = (format!("{}{}", reg(*ty), k + 1), 8 * k);
        match ty {
            Ty::Pred => body += &format!("ld.global.b32 %w8, [%in+{at}]; setp.ne.u32 {name}, %w8, 0;\n"),
            _ => body += &format!("ld.global.b{} {name}, [%in+{at}];\n", bits(*ty)),
        }
        names.push(name);
    }
    body += &format!("{opcode} {};\n", names.join(", "));
    body += &match d {
        Ty::Pred => "selp.b64 %x0, 1, 0, %p0; st.global.b64 [%out], %x0; ret;".to_string(),
        _ => format!("st.global.b{} [%out], {}; ret;", bits(d), names[0]),
    };
    let mut answers = Vec::new();
    for chunk in cases.chunks(1024) {
        let input: Vec<u8> = chunk.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
        let (out, _) = run_with(&body, chunk.len() as u32, &input, 8 * chunk.len())
            .unwrap_or_else(|fault| panic!("{opcode}: {fault}"));
        answers.extend(out.chunks(8).map(|b| u64::from_le_bytes(b.try_into().unwrap())));
    }
    answers
}

/// All tuples of this many values, thinned to at most 8192.
pub(crate) fn tuples(values: &[Vec<u64>]) -> Vec<Vec<u64>> {
    let mut all = vec![vec![]];
    for list in values {
        all = all.iter().flat_map(|t| list.iter().map(move |v| [&t[..], &[*v]].concat())).collect();
    }
    // A step coprime to the lengths of the lists, so that every value of each list remains.
    fn common(a: usize, b: usize) -> usize {
        if b == 0 { a } else { common(b, a % b) }
    }
    let least = all.len().div_ceil(8192);
    let step = (least..).find(|s| values.iter().all(|list| common(list.len(), *s) == 1)).unwrap_or(1);
    all.into_iter().step_by(step).collect()
}

/// Edge values of a type of this many bits, and some in between.
pub(crate) fn integers(ty: Ty) -> Vec<u64> {
    let bits = match ty {
        Ty::B16 => 16,
        Ty::B32 => 32,
        Ty::B64 => 64,
        Ty::Pred => return vec![0, 1],
    };
    let mask = u64::MAX >> (64 - bits);
    let top = 1u64 << (bits - 1);
    let edges = [0, 1, 2, 3, 7, 15, 16, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, top - 1, top, top + 1];
    let more =
        [u64::MAX, u64::MAX - 1, u64::MAX - 31, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0x9e37_79b9_7f4a_7c15];
    edges.iter().chain(&more).map(|v| v & mask).collect()
}

/// Compares an opcode with a formula on all tuples of edges.
pub(crate) fn check(opcode: &str, d: Ty, sources: &[Ty], formula: impl Fn(&[u64]) -> u64) {
    let lists: Vec<_> = sources.iter().map(|ty| integers(*ty)).collect();
    compare(opcode, d, sources, &tuples(&lists), formula);
}

/// Compares an opcode with a formula on given cases.
pub(crate) fn compare(opcode: &str, d: Ty, sources: &[Ty], cases: &[Vec<u64>], formula: impl Fn(&[u64]) -> u64) {
    assert!(!cases.is_empty());
    for (case, found) in cases.iter().zip(each(opcode, d, sources, cases)) {
        let expected = formula(case);
        assert_eq!(found, expected, "{opcode} of {case:x?}: found {found:#x}, expected {expected:#x}");
    }
}
