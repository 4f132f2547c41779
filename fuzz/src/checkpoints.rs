//! Checkpoints: raw bytes, the same with a repaired hash, and checkpoints of real sessions, altered and rehashed.
//! Sessions continue from accepted ones.
//!
//! Bytes that start like safetensors are a file. Otherwise, the first byte selects a checkpoint, and the rest are edits: an
//! operation, the number of a note or tensor, and its new value.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use style_core::{
    AdamOptions, Checkpoint, ErrorKind, LayerWeight, LbfgsOptions, Optimizer, Scale, Session, SessionBuilder,
};
use testkit::Reference;
use twox_hash::xxhash3_128::Hasher;

use crate::{Outcome, check_message, tiny};

/// Texts to substitute for numbers and flags.
const TEXTS: [&str; 12] = [
    "0",
    "1",
    "2",
    "5",
    "true",
    "false",
    "-1",
    "18446744073709551615",
    "18446744073709551614",
    "9223372036854775807",
    "",
    "x",
];
/// Numbers to substitute.
const NUMBERS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-300,
    1e300,
    f64::MAX,
    f64::MIN,
    f64::MIN_POSITIVE,
    5e-324,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1e38,
    1e9,
];
const STEPS: usize = 5;

fn describe(kind: usize) -> SessionBuilder<Reference> {
    let adam = Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() });
    let lbfgs = |fixed_step| Optimizer::Lbfgs(LbfgsOptions { history: 2, fixed_step, ..Default::default() });
    let weight = |layer: &str| vec![LayerWeight { layer: layer.into(), weight: 1.0 }];
    let builder = Session::builder(tiny::network(&["conv1_1", "conv1_2"], 2))
        .content(tiny::picture("content", 6, 5))
        .style(tiny::picture("style", 5, 6))
        .content_layers(weight("conv1_2"))
        .style_layers(weight("conv1_1"))
        .tv_weight(0.1)
        .iterations(6);
    match kind {
        0 => builder.optimizer(lbfgs(None)),
        1 => builder.optimizer(lbfgs(Some(1.0))),
        2 => builder.optimizer(adam).running_mean(0.8),
        _ => builder.optimizer(lbfgs(None)).scales(vec![Scale { size: 4, iterations: 3, optimizer: None }]),
    }
}

const KINDS: usize = 4;

/// The content of a checkpoint file, without its hash.
#[derive(Clone)]
struct File {
    notes: BTreeMap<String, String>,
    tensors: BTreeMap<String, (Dtype, Vec<u8>)>,
}

impl File {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
        let mut notes: BTreeMap<_, _> = header.metadata().clone()?.into_iter().collect();
        notes.remove("hash");
        let tensors = SafeTensors::deserialize(bytes).ok()?;
        let tensors = tensors.iter().map(|(name, t)| (name.to_owned(), (t.dtype(), t.data().to_vec()))).collect();
        Some(Self { notes, tensors })
    }

    /// The hash that `Checkpoint` expects, from the values as read.
    fn hash(&self) -> String {
        let mut hasher = Hasher::new();
        for (name, value) in self.notes.iter().filter(|(name, _)| *name != "format") {
            [name.as_bytes(), &[0], value.as_bytes(), &[0]].iter().for_each(|bytes| hasher.write(bytes));
        }
        for (name, (kind, values)) in &self.tensors {
            hasher.write(name.as_bytes());
            hasher.write(&values[..values.len() / size(*kind) * size(*kind)]);
        }
        format!("{:032x}", hasher.finish_128())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let metadata = self.notes.clone().into_iter().chain([("hash".to_owned(), self.hash())]).collect();
        let views = self.tensors.iter().map(|(name, (kind, values))| {
            (name, TensorView::new(*kind, vec![values.len() / size(*kind)], values).expect("whole values"))
        });
        safetensors::serialize(views, Some(metadata)).expect("serialises")
    }
}

fn size(kind: Dtype) -> usize {
    (kind.bitsize() / 8).max(1)
}

/// Checkpoints of every kind, after various numbers of steps.
fn bases() -> &'static [(usize, File)] {
    static BASES: OnceLock<Vec<(usize, File)>> = OnceLock::new();
    BASES.get_or_init(|| {
        let mut bases = vec![];
        for kind in 0..KINDS {
            for stop in [0, 1, 3, 5] {
                let mut session = describe(kind).build().expect("builds");
                (0..stop).for_each(|_| drop(session.step().expect("steps").clone()));
                let bytes = session.checkpoint().and_then(|c| c.to_bytes()).expect("a checkpoint");
                bases.push((kind, File::read(&bytes).expect("reads")));
            }
        }
        bases
    })
}

/// Takes bytes from the front; zeros once they run out.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> usize {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        usize::from(*first)
    }

    fn some(&mut self, n: usize) -> &[u8] {
        let (some, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        some
    }

    fn number(&mut self) -> f64 {
        match NUMBERS.get(self.byte()) {
            Some(number) => *number,
            None => self.some(8).try_into().map_or(0.0, f64::from_le_bytes),
        }
    }
}

fn edit(file: &mut File, input: &mut Input) {
    let operation = input.byte();
    let at = input.byte();
    // The manifest identifies the session; all edits of it give the same error.
    let state = |name: &&String| !name.starts_with("manifest.") && *name != "format";
    let notes: Vec<String> = file.notes.keys().filter(state).cloned().collect();
    let names: Vec<String> = file.tensors.keys().cloned().collect();
    if operation % 8 < 2 && !notes.is_empty() {
        let note = &notes[at % notes.len()];
        if operation % 8 == 1 && at > 200 {
            file.notes.remove(note);
            return;
        }
        let which = input.byte();
        let text = match TEXTS.get(which) {
            Some(text) => (*text).to_owned(),
            None => String::from_utf8_lossy(input.some(which % 21)).into_owned(),
        };
        file.notes.insert(note.clone(), text);
        return;
    }
    if names.is_empty() {
        return;
    }
    let name = &names[at % names.len()];
    let other = file.tensors[&names[input.byte() % names.len()]].clone();
    let Some((kind, values)) = file.tensors.get_mut(name) else { return };
    let width = size(*kind);
    match operation % 8 {
        2..=4 if !values.is_empty() => {
            let at = input.byte() * if operation > 127 { 3 } else { 1 } % (values.len() / width) * width;
            let number = input.number();
            match kind {
                Dtype::F64 => values[at..at + 8].copy_from_slice(&number.to_le_bytes()),
                Dtype::F32 => values[at..at + 4].copy_from_slice(&(number as f32).to_le_bytes()),
                _ => {}
            }
        }
        5 => values.resize((input.byte() + (input.byte() & 1) * 256) * width, 0),
        6 => (*kind, *values) = other,
        7 if at > 200 => drop(file.tensors.remove(name)),
        7 if values.len() % 8 == 0 => *kind = [Dtype::F32, Dtype::F64, Dtype::I64, Dtype::U8][operation >> 3 & 3],
        _ => {}
    }
}

pub(crate) fn run(data: &[u8]) -> Outcome {
    if data.get(8) == Some(&b'{') {
        let raw = take(data, None);
        let Some(file) = File::read(data) else { return raw };
        return take(&file.to_bytes(), None);
    }
    let mut input = Input(data);
    let bases = bases();
    let (kind, mut file) = bases[input.byte() % bases.len()].clone();
    for _ in 0..16 {
        if input.0.is_empty() {
            break;
        }
        edit(&mut file, &mut input);
    }
    take(&file.to_bytes(), Some(kind))
}

fn rejected(error: &style_core::Error) -> Outcome {
    assert_eq!(error.kind(), ErrorKind::Checkpoint, "{error}");
    check_message(error);
    Outcome::Rejected
}

/// Reads a checkpoint, and continues from it with one description or with all.
fn take(bytes: &[u8], kind: Option<usize>) -> Outcome {
    let checkpoint = match Checkpoint::from_bytes(bytes) {
        Ok(checkpoint) => checkpoint,
        Err(e) => return rejected(&e),
    };
    if let Err(e) = checkpoint.iteration() {
        rejected(&e);
    }
    match checkpoint.image() {
        Ok(image) => assert_eq!(image.pixels().len(), 3 * image.width() * image.height()),
        Err(e) => drop(rejected(&e)),
    }
    let again = checkpoint.to_bytes().expect("writes");
    let again = Checkpoint::from_bytes(&again).expect("reads what it wrote");
    let nan = File::read(bytes).is_none_or(|file| {
        let is_nan = |kind: &Dtype, v: &[u8]| match kind {
            Dtype::F32 => v.as_chunks().0.iter().any(|b| f32::from_le_bytes(*b).is_nan()),
            _ => v.as_chunks().0.iter().any(|b| f64::from_le_bytes(*b).is_nan()),
        };
        file.tensors.values().any(|(kind, values)| is_nan(kind, values))
    });
    assert!(nan || again == checkpoint, "{checkpoint:?}");
    let mut outcome = Outcome::Rejected;
    for kind in kind.map_or(0..KINDS, |kind| kind..kind + 1) {
        match describe(kind).resume(&checkpoint) {
            Ok(session) => {
                go_on(session, kind);
                outcome = Outcome::Accepted;
            }
            Err(e) => drop(rejected(&e)),
        }
    }
    outcome
}

fn go_on(mut session: Session<Reference>, kind: usize) {
    for _ in 0..STEPS {
        if let Some(progress) = session.progress() {
            let size = (progress.width, progress.height);
            match session.image() {
                Ok(image) => assert_eq!((image.width(), image.height()), size),
                Err(e) => return check_message(&e),
            }
        }
        if session.is_finished() {
            break;
        }
        if let Err(e) = session.step() {
            return check_message(&e);
        }
    }
    let bytes = session.checkpoint().and_then(|c| c.to_bytes()).expect("a checkpoint");
    let checkpoint = Checkpoint::from_bytes(&bytes).expect("reads what it wrote");
    if let Err(e) = describe(kind).resume(&checkpoint) {
        rejected(&e);
    }
}
