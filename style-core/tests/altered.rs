//! Deliberately altered checkpoints with a valid hash give a typed error or a session that continues, never a panic.

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use common::{builder, picture};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use style_core::{AdamOptions, Checkpoint, ErrorKind, LbfgsOptions, Optimizer, SessionBuilder};
use testkit::Reference;
use twox_hash::xxhash3_128::Hasher;

/// The contents of a checkpoint.
#[derive(Clone)]
struct File {
    format: String,
    notes: BTreeMap<String, String>,
    values: BTreeMap<String, (Dtype, Vec<u8>)>,
}

impl File {
    fn of(checkpoint: &Checkpoint) -> Self {
        let bytes = checkpoint.to_bytes().unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let mut notes: BTreeMap<_, _> = header.metadata().clone().unwrap().into_iter().collect();
        notes.remove("hash");
        let format = notes.remove("format").unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let values = tensors.iter().map(|(name, t)| (name.to_owned(), (t.dtype(), t.data().to_vec())));
        Self { format, notes, values: values.collect() }
    }

    fn set(&mut self, name: &str, at: usize, value: f64) {
        self.values.get_mut(name).unwrap().1[8 * at..8 * at + 8].copy_from_slice(&value.to_le_bytes());
    }

    fn checkpoint(&self) -> Checkpoint {
        let mut hasher = Hasher::new();
        for (name, value) in &self.notes {
            [name.as_bytes(), &[0], value.as_bytes(), &[0]].iter().for_each(|bytes| hasher.write(bytes));
        }
        for (name, (_, values)) in &self.values {
            hasher.write(name.as_bytes());
            hasher.write(values);
        }
        let hash = format!("{:032x}", hasher.finish_128());
        let more = [("hash".to_owned(), hash), ("format".to_owned(), self.format.clone())];
        let notes = self.notes.clone().into_iter().chain(more).collect();
        let views = self.values.iter().map(|(name, (kind, values))| {
            (name, TensorView::new(*kind, vec![8 * values.len() / kind.bitsize()], values).unwrap())
        });
        Checkpoint::from_bytes(&safetensors::serialize(views, Some(notes)).unwrap()).unwrap()
    }
}

fn small() -> SessionBuilder<Reference> {
    builder().content(picture("content", 6, 5)).iterations(6)
}

fn lbfgs() -> SessionBuilder<Reference> {
    small().optimizer(Optimizer::Lbfgs(LbfgsOptions { history: 3, ..Default::default() }))
}

/// A checkpoint after this many steps.
fn after(steps: usize, describe: impl Fn() -> SessionBuilder<Reference>) -> File {
    let mut session = describe().build().unwrap();
    for _ in 0..steps {
        session.step().unwrap();
    }
    File::of(&session.checkpoint().unwrap())
}

/// Continues from a checkpoint if possible.
fn go_on(file: &File, describe: impl Fn() -> SessionBuilder<Reference>) {
    match describe().resume(&file.checkpoint()) {
        Ok(mut session) => {
            while !session.is_finished() && session.step().is_ok() {}
            drop(session.image());
        }
        Err(e) => assert_eq!(e.kind(), ErrorKind::Checkpoint, "{e}"),
    }
}

const ODD: [f64; 7] = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-310, f64::MAX, -f64::MAX];

#[test]
fn steps_of_no_length_are_refused() {
    let file = after(3, lbfgs);
    assert!(file.values["lbfgs.search"].1.len() >= 56, "the checkpoint must be within a line search");
    for odd in [f64::NAN, f64::INFINITY, -1.0] {
        for at in [2, 4] {
            let mut file = file.clone();
            file.set("lbfgs.search", at, odd);
            let error = lbfgs().resume(&file.checkpoint()).unwrap_err();
            assert!(error.kind() == ErrorKind::Checkpoint && error.to_string().contains("lbfgs.search"), "{error}");
        }
    }
}

#[test]
fn tiles_of_any_number() {
    let file = after(2, lbfgs);
    assert_eq!(file.notes["tiles.0"], "1x1 1x1 1x1");
    let damaged = [
        "",
        "1x1",
        "1x1 1x1 ",
        "0x1 1x1 1x1",
        "1x1 1x0 1x1",
        "1x1 1x1 1",
        "-1x1 1x1 1x1",
        "1x1 1x1 99999999999999999999x1",
    ];
    for tiles in damaged {
        let mut file = file.clone();
        file.notes.insert("tiles.0".into(), tiles.into());
        assert_eq!(lbfgs().resume(&file.checkpoint()).unwrap_err().kind(), ErrorKind::Checkpoint, "{tiles}");
    }
    // Impossible tile counts are ignored, and the session is planned again.
    let most = usize::MAX;
    let others = [format!("{most}x{most} 1x1 1x1"), format!("1x1 {most}x{most} 1x1"), format!("1x1 1x1 {most}x{most}")];
    for tiles in others.into_iter().chain(["1x1 1x1".into(), "1x1 1x1 1x1 2x2".into(), "2x1 1x1 1x1".into()]) {
        let mut file = file.clone();
        file.notes.insert("tiles.0".into(), tiles.clone());
        let mut session = lbfgs().resume(&file.checkpoint()).unwrap();
        session.run(|_| ControlFlow::Continue(())).unwrap();
        assert!(session.is_finished(), "{tiles}");
    }
}

#[test]
fn any_number_may_be_any_other() {
    let adam = || {
        let options = AdamOptions { learning_rate: 2.0, ..Default::default() };
        small().optimizer(Optimizer::Adam(options)).running_mean(0.5)
    };
    let kinds: [&dyn Fn() -> SessionBuilder<Reference>; 2] = [&lbfgs, &adam];
    for describe in kinds {
        let whole = after(4, describe);
        for (name, (kind, values)) in &whole.values {
            if *kind != Dtype::F64 {
                continue;
            }
            for at in 0..values.len() / 8 {
                for odd in ODD {
                    let mut file = whole.clone();
                    file.set(name, at, odd);
                    go_on(&file, describe);
                }
            }
        }
        for name in whole.notes.keys().filter(|name| !name.starts_with("manifest.")) {
            for odd in ["0", "1", "-1", "2147483647", "-2147483648", "18446744073709551615", "true", "false", ""] {
                let mut file = whole.clone();
                file.notes.insert(name.clone(), odd.into());
                go_on(&file, describe);
            }
        }
    }
}
