//! Sessions watched by all observers at once, and their errors when they cannot write.

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use common::{HEIGHT, WIDTH, session};
use style_core::{Error, ErrorKind, Image, Observer, Progress, Result, View};
use style_watch::{LossPlot, Snapshots, TensorBoard, TensorBoardOptions};

/// The data of an event file's records, by their lengths; the file must end with one.
fn records(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let (mut rest, mut records) = (&bytes[..], vec![]);
    while !rest.is_empty() {
        let length = usize::try_from(u64::from_le_bytes(rest[..8].try_into().unwrap())).unwrap();
        records.push(rest[12..12 + length].to_vec());
        rest = &rest[12 + length + 4..];
    }
    records
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Width, height and RGB bytes.
fn decode(path: &Path) -> (usize, usize, Vec<u8>) {
    let file = std::io::BufReader::new(fs::File::open(path).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
    (info.width as usize, info.height as usize, bytes)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs after the event file's observer and checks the file; keeps the expected snapshots.
struct Witness {
    events: PathBuf,
    images: Vec<Image>,
}

impl Observer for Witness {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        assert_eq!(records(&self.events).len(), 1 + progress.iteration, "each evaluation must be written at once");
        self.images.push(view.image()?);
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn all_watch_one_session() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("runs").join("first");
    let options = TensorBoardOptions { images_every: 4, histograms_every: 10 };
    let mut board = TensorBoard::create(&runs, options).unwrap();
    let mut snapshots = Snapshots::png(4, folder.path().join("painted.PNG")).unwrap();
    let mut session = session(11);
    let mut svg = LossPlot::new(folder.path().join("plot.svg")).unwrap();
    let mut png = LossPlot::new(folder.path().join("plot.png")).unwrap();
    let mut witness = Witness { events: board.path().to_owned(), images: vec![] };
    session
        .run_with(&mut [&mut board as &mut dyn Observer, &mut witness, &mut snapshots, &mut svg, &mut png][..])
        .unwrap();

    let records = records(board.path());
    assert_eq!(records.len(), 1 + 11 + 1, "the version, the evaluations, the last image");
    assert!(contains(&records[0], "brain.Event:2"));
    for (i, record) in records[1..].iter().enumerate() {
        assert_eq!(contains(record, "IHDR"), [3, 7, 11].contains(&i), "{i}");
        assert_eq!(contains(record, "pixels/green"), [9, 11].contains(&i), "{i}");
        assert_eq!(contains(record, "layers/style/conv2_1"), i < 11, "{i}");
    }

    assert_eq!(names(folder.path()), ["painted_0004.png", "painted_0008.png", "plot.png", "plot.svg", "runs"]);
    for done in [4, 8] {
        let shown = decode(&folder.path().join(format!("painted_{done:04}.png")));
        assert_eq!(shown, (WIDTH, HEIGHT, witness.images[done - 1].to_rgb8()));
    }
    let (width, height, pixels) = decode(&folder.path().join("plot.png"));
    assert_eq!((width, height), (960, 560));
    for colour in [[255, 255, 255], [34, 34, 34], [0, 114, 178], [213, 94, 0], [0, 158, 115]] {
        assert!(pixels.chunks_exact(3).filter(|p| **p == colour).count() > 40, "no {colour:?} in the plot");
    }
    let text = fs::read_to_string(folder.path().join("plot.svg")).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let texts: Vec<&str> = document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
    for expected in ["Losses", "evaluations", "total", "content × 0.02", "style × 0.1", "tv × 1e-4"] {
        assert!(texts.contains(&expected), "{expected} is not in {texts:?}");
    }
}

/// Weights differ between scales, but the curves still add up to the total.
#[test]
fn a_plot_heeds_the_weights_of_each_evaluation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plot.svg");
    let mut plot = LossPlot::new(&path).unwrap();
    let mut session = session(4);
    session.step().unwrap();
    let first = session.progress().unwrap().clone();
    assert!(plot.observe(&first, &session).unwrap().is_continue());
    let weight = session.progress().unwrap().losses.weight("style");
    assert!(weight > 0.0 && weight == session.weight("style"));
    session.set_style_weight(7.0 * weight).unwrap();
    session.run_with(&mut plot).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("style × its weight") && text.contains("content × 0.02"), "{text}");
}

/// The error reports a failure at the end in addition to the one that ended the run.
#[test]
fn both_errors_are_reported() {
    struct Fails;
    impl Observer for Fails {
        fn observe(&mut self, _: &Progress, _: &dyn View) -> Result<ControlFlow<()>> {
            Err(Error::new(ErrorKind::Argument, "first"))
        }

        fn finish(&mut self, _: &dyn View) -> Result<()> {
            Err(Error::new(ErrorKind::Io, "second"))
        }
    }
    let error = session(2).run_with(&mut Fails).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Argument, "first; then also: second"));
}

#[test]
fn a_session_that_goes_on_is_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(folder.path(), TensorBoardOptions::default()).unwrap();
    let mut session = session(6);
    for half in [1, 2] {
        let mut seen = 0;
        let mut stop = Snapshots::every(1, |_, _| {
            seen += 1;
            if seen == 3 { Err(Error::new(ErrorKind::Argument, "enough")) } else { Ok(()) }
        })
        .unwrap();
        let error = session.run_with(&mut [&mut board as &mut dyn Observer, &mut stop][..]).unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert_eq!(records(board.path()).len(), 1 + 4 * half, "three evaluations and their last image");
    }
    assert!(session.is_finished());
}

#[test]
fn zero_is_never_and_no_evaluation_leaves_no_plot() {
    let folder = tempfile::tempdir().unwrap();
    let options = TensorBoardOptions { images_every: 0, histograms_every: 0 };
    let mut board = TensorBoard::create(folder.path(), options).unwrap();
    session(3).run_with(&mut board).unwrap();
    let records = records(board.path());
    assert_eq!(records.len(), 4);
    assert!(!records.iter().any(|r| contains(r, "IHDR") || contains(r, "pixels/red")));

    let path = folder.path().join("plot.svg");
    let mut plot = LossPlot::new(&path).unwrap();
    let done = session(1);
    plot.finish(&done).unwrap();
    assert!(!path.exists());
}

#[test]
fn event_files_of_one_second_have_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let boards: Vec<TensorBoard> =
        (0..5).map(|_| TensorBoard::create(folder.path(), TensorBoardOptions::default()).unwrap()).collect();
    assert_eq!(names(folder.path()).len(), 5);
    for board in &boards {
        assert_eq!(records(board.path()).len(), 1);
        let name = board.path().file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("events.out.tfevents."), "{name}"); // TensorBoard finds files by this name
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for part in says {
        assert!(error.to_string().contains(part), "\"{part}\" is not in \"{error}\"");
    }
}

#[test]
fn what_cannot_be_written_is_refused_before_the_work() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let options = TensorBoardOptions::default;
    let name = file.to_str().unwrap();
    refused(TensorBoard::create(&file, options()), ErrorKind::Io, &["create", name, "writable folder"]);
    refused(TensorBoard::create(file.join("runs"), options()), ErrorKind::Io, &["create", name, "writable folder"]);
    #[cfg(target_os = "linux")] // not even root can create a file there
    refused(TensorBoard::create("/proc/self/fdinfo", options()), ErrorKind::Io, &["write", "/proc/self/fdinfo"]);

    refused(Snapshots::png(0, folder.path().join("a.png")), ErrorKind::Argument, &["interval of at least 1, found 0"]);
    refused(Snapshots::every(0, |_, _| Ok(())), ErrorKind::Argument, &["interval of at least 1, found 0"]);
    for other in ["a.jpg", "a", "", "png"] {
        refused(Snapshots::png(1, folder.path().join(other)), ErrorKind::Argument, &[".png"]);
        refused(LossPlot::new(folder.path().join(other)), ErrorKind::Argument, &[".svg or .png"]);
    }
    refused(Snapshots::png(1, file.join("a.png")), ErrorKind::Io, &["a.png", "not a folder"]);
    refused(LossPlot::new(file.join("a.svg")), ErrorKind::Io, &["a.svg", "not a folder"]);
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn what_fails_later_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let mut snapshots = Snapshots::png(2, gone.join("a.png")).unwrap();
    let mut plot = LossPlot::new(gone.join("a.svg")).unwrap();
    fs::remove_dir(&gone).unwrap();
    let mut session = session(5);
    refused(session.run_with(&mut snapshots), ErrorKind::Io, &["a_0002.png"]);
    assert!(session.image().is_ok());
    refused(session.run_with(&mut plot), ErrorKind::Io, &["a.svg"]);
    assert!(session.is_finished());
}
