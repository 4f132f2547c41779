//! Sessions on threads of their own: what handles may do at any moment, and what is left in the end.

mod common;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{builder, described, layers, picture};
use style_core::{
    AdamOptions, Cancel, Ending, Error, ErrorKind, Handle, Image, Init, Job, Observer, Optimizer, Outcome, Progress,
    Result, Scale, SessionBuilder, View,
};
use testkit::{Observed, Reference, Rng};

type Builder = SessionBuilder<Reference>;

/// More iterations than any test waits for; Adam does not converge.
fn endless() -> Builder {
    let adam = Optimizer::Adam(AdamOptions { learning_rate: 2.0, ..Default::default() });
    builder().init(Init::Noise).optimizer(adam).iterations(usize::MAX)
}

fn coarse() -> Builder {
    described(40, 30).scales(vec![Scale { size: 20, iterations: usize::MAX, optimizer: None }])
}

/// Evaluates until a handle has seen so many evaluations, then pauses; returns how many were done.
fn paused_after(handle: &Handle, evaluations: usize) -> usize {
    handle.updates().find(|progress| progress.iteration >= evaluations).expect("it paints");
    handle.pause();
    handle.preview(None).unwrap(); // answered after the evaluation under way; there is none after it
    handle.progress().unwrap().iteration
}

fn failed(outcome: &Outcome) -> &Error {
    let Ending::Failed(e) = &outcome.ending else { panic!("{outcome:?}") };
    e
}

fn is_cancelled(outcome: &Outcome) -> bool {
    matches!(outcome.ending, Ending::Cancelled)
}

/// The image of a session after so many evaluations, at full size.
fn after(describe: Builder, evaluations: usize) -> Image {
    let mut session = describe.build().unwrap();
    for _ in 0..evaluations {
        session.step().unwrap();
    }
    session.full_size_image().unwrap()
}

#[test]
fn a_job_paints_what_a_session_paints() {
    let scales = vec![Scale { size: 20, iterations: 3, optimizer: None }];
    let kinds: [&dyn Fn() -> Builder; 2] =
        [&|| builder().init(Init::Noise).iterations(9), &|| described(40, 30).scales(scales.clone()).iterations(6)];
    for describe in kinds {
        let mut session = describe().build().unwrap();
        session.run(|_| ControlFlow::Continue(())).unwrap();
        let mut half = describe().build().unwrap();
        half.run(|p| if p.iteration == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }).unwrap();
        let kept = half.checkpoint().unwrap();
        let resumed = describe().spawn_with(Some(kept), ()).unwrap();
        for job in [describe().spawn().unwrap(), half.spawn().unwrap(), resumed] {
            let outcome = job.join();
            assert!(matches!(outcome.ending, Ending::Completed), "{outcome:?}");
            assert_eq!(outcome.progress.as_ref(), session.progress());
            assert_eq!(outcome.image.unwrap(), session.image().unwrap());
        }
    }
}

#[test]
fn a_paused_job_answers_and_does_not_paint() {
    let job = endless().spawn().unwrap();
    let handle = job.handle();
    let done = paused_after(&handle, 3);
    let shown = handle.preview(None).unwrap();
    assert_eq!(shown, after(endless(), done));
    let checkpoint = handle.checkpoint().unwrap();
    assert_eq!((checkpoint.iteration().unwrap(), checkpoint.image().unwrap()), (done, shown.clone()));
    // A weight is taken at once, and the last one counts; a wrong one is not.
    assert_eq!(handle.set_style_weight(-1.0).unwrap_err().kind(), ErrorKind::Argument);
    handle.set_style_weight(3.0).unwrap();
    handle.set_style_weight(5.0).unwrap();
    let checkpoint = handle.checkpoint().unwrap();
    assert_eq!((checkpoint.style_weight().unwrap(), checkpoint.iteration().unwrap()), (5.0, done));
    assert_eq!(handle.progress().unwrap().iteration, done);

    // From there it goes on as a session does.
    handle.resume();
    let now = paused_after(&handle, done + 2);
    let mut session = endless().resume(&checkpoint).unwrap();
    while session.iteration() < now {
        session.step().unwrap();
    }
    assert_eq!(handle.preview(None).unwrap(), session.image().unwrap());
    handle.cancel();
    let outcome = job.join();
    assert!(is_cancelled(&outcome) && outcome.image == Some(session.image().unwrap()));
    assert_eq!(outcome.progress.unwrap().iteration, now);
}

#[test]
fn previews_have_the_size_that_is_asked_for() {
    let job = coarse().spawn().unwrap();
    let handle = job.handle();
    let done = paused_after(&handle, 2);
    let size = |image: Image| (image.width(), image.height());
    for (most, wanted) in [(None, (40, 30)), (Some(99), (40, 30)), (Some(20), (20, 15)), (Some(1), (1, 1))] {
        assert_eq!(size(handle.preview(most).unwrap()), wanted);
    }
    assert_eq!(handle.preview(Some(0)).unwrap_err().kind(), ErrorKind::Argument);
    let (shown, wanted) = (handle.preview(None).unwrap(), after(coarse(), done));
    assert_eq!(shown, wanted);
    handle.cancel();
    assert_eq!(job.join().image.unwrap(), wanted);
    assert_eq!(handle.preview(None).unwrap(), wanted);
    assert_eq!(size(handle.preview(Some(10)).unwrap()), (10, 8));
}

#[test]
fn after_the_end_commands_are_errors_and_the_image_stays() {
    let job = builder().iterations(5).spawn().unwrap();
    let handle = job.handle();
    assert_eq!(handle.updates().last().unwrap().iteration, 5, "the last progress is not missed");
    let outcome = job.join();
    assert!(handle.is_finished());
    for error in [handle.checkpoint().err(), handle.light_checkpoint().err(), handle.set_style_weight(2.0).err()] {
        assert_eq!(error.unwrap().kind(), ErrorKind::Finished);
    }
    handle.pause();
    handle.resume();
    handle.cancel();
    assert_eq!(handle.preview(None).unwrap(), outcome.image.unwrap());
    assert_eq!(handle.progress(), outcome.progress);
    assert_eq!(handle.updates().map(|progress| progress.iteration).collect::<Vec<_>>(), [5]);
}

/// Tells when a statistic is first computed, in the analysis of the pictures, and waits until it may go on.
fn held(describe: Builder) -> (Builder, Receiver<()>, Sender<()>) {
    let ((tell, told), (go, may_go)) = (channel(), channel());
    let first = Mutex::new(Some((tell, may_go)));
    let statistic = Observed::new(move |_| {
        if let Some((tell, may_go)) = first.lock().unwrap().take() {
            tell.send(()).unwrap();
            may_go.recv().unwrap();
        }
    });
    (describe.statistic(statistic), told, go)
}

#[test]
fn a_job_that_is_cancelled_before_it_paints_has_no_image() {
    // Before the start, by the description's switch.
    let cancel = Cancel::new();
    cancel.cancel();
    let outcome = endless().cancel(&cancel).spawn().unwrap().join();
    assert!(is_cancelled(&outcome) && outcome.image.is_none() && outcome.progress.is_none());
    // While the pictures are analysed. Who asks for an image is not kept waiting.
    let (describe, told, go) = held(endless());
    let job = describe.spawn().unwrap();
    told.recv().unwrap();
    let (asks, handle) = (job.handle(), job.handle());
    let asked = thread::spawn(move || asks.preview(None).map(drop).unwrap_err().kind());
    handle.cancel();
    go.send(()).unwrap();
    let outcome = job.join();
    assert!(is_cancelled(&outcome) && outcome.image.is_none() && handle.progress().is_none());
    assert_eq!(asked.join().unwrap(), ErrorKind::Finished);
}

#[test]
fn a_cancel_concerns_one_job_and_a_shared_switch_all() {
    let cancel = Cancel::new();
    let describe = endless().cancel(&cancel);
    let (first, paused) = (describe.clone().spawn().unwrap(), describe.clone().spawn().unwrap());
    let third = describe.build().unwrap().spawn().unwrap();
    first.handle().cancel();
    assert!(is_cancelled(&first.join()));
    let handle = paused.handle();
    paused_after(&handle, 2);
    assert!(!handle.is_finished() && !cancel.is_cancelled());
    assert!(third.handle().updates().nth(2).is_some());
    cancel.cancel();
    assert!(handle.updates().nth(1).is_none(), "a paused job notices, too");
    assert!(is_cancelled(&paused.join()) && is_cancelled(&third.join()));
}

#[test]
fn what_is_wrong_is_told_at_once_or_in_the_end_with_the_image() {
    let refused = builder().style(picture("small", 9, 3)).spawn().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooSmall { least: 4 });
    let mut session = builder().iterations(3).build().unwrap();
    session.step().unwrap();
    let other = session.checkpoint().unwrap();
    assert_eq!(endless().spawn_with(Some(other), ()).unwrap_err().kind(), ErrorKind::Checkpoint);

    let huge = || endless().style_layers(layers(&[("conv1_1", 1e30)])).style_weight(1e30);
    let outcome = huge().spawn().unwrap().join();
    assert_eq!(failed(&outcome).kind(), ErrorKind::NonFinite);
    assert_eq!(outcome.image.unwrap(), huge().build().unwrap().image().unwrap());
    let panics = Observed::new(|_| panic!("a panic to be caught"));
    let outcome = endless().statistic(panics).spawn().unwrap().join();
    assert_eq!(failed(&outcome).kind(), ErrorKind::Panicked);
    assert!(outcome.image.is_none() && failed(&outcome).to_string().contains("a panic to be caught"));
}

/// What an observer does after its third evaluation, or at the end.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Breaks,
    Fails,
    Panics,
    FailsAtTheEnd,
}

struct Third {
    does: Does,
    seen: Arc<AtomicUsize>,
}

impl Observer for Third {
    fn observe(&mut self, progress: &Progress, view: &dyn View) -> Result<ControlFlow<()>> {
        assert_eq!(self.seen.fetch_add(1, Ordering::Relaxed) + 1, progress.iteration, "it sees every evaluation");
        view.full_size_image()?;
        match self.does {
            _ if progress.iteration < 3 => Ok(ControlFlow::Continue(())),
            Does::Breaks | Does::FailsAtTheEnd => Ok(ControlFlow::Break(())),
            Does::Fails => Err(Error::new(ErrorKind::Io, "the disk is full")),
            Does::Panics => panic!("a panic to be caught"),
        }
    }

    fn finish(&mut self, view: &dyn View) -> Result<()> {
        self.seen.fetch_add(100, Ordering::Relaxed);
        assert_eq!(view.light_checkpoint()?.iteration()?, 3);
        if self.does == Does::FailsAtTheEnd { Err(Error::new(ErrorKind::Io, "the disk is full")) } else { Ok(()) }
    }
}

#[test]
fn an_observer_ends_a_job_in_every_way() {
    for does in [Does::Breaks, Does::Fails, Does::Panics, Does::FailsAtTheEnd] {
        let seen = Arc::new(AtomicUsize::new(0));
        let observer = Third { does, seen: Arc::clone(&seen) };
        let outcome = endless().spawn_with(None, observer).unwrap().join();
        let kind = match does {
            Does::Breaks => None,
            Does::Panics => Some(ErrorKind::Panicked),
            Does::Fails | Does::FailsAtTheEnd => Some(ErrorKind::Io),
        };
        match kind {
            None => assert!(is_cancelled(&outcome)),
            Some(kind) => assert_eq!(failed(&outcome).kind(), kind),
        }
        assert_eq!(seen.load(Ordering::Relaxed), 103);
        assert_eq!(outcome.image.unwrap(), after(endless(), 3));
    }
}

#[test]
fn a_job_that_is_dropped_ends_and_so_do_its_readers() {
    for pauses in [false, true] {
        let job = endless().spawn().unwrap();
        let handle = job.handle();
        let done = paused_after(&handle, 2);
        if !pauses {
            handle.resume();
        }
        drop(job);
        assert!(handle.updates().last().unwrap().iteration >= done);
        assert!(handle.is_finished() && handle.preview(None).is_ok());
        assert_eq!(handle.checkpoint().unwrap_err().kind(), ErrorKind::Finished);
    }
    // Joining ends a pause; nobody else could.
    let job = builder().init(Init::Noise).iterations(4).spawn().unwrap();
    job.handle().pause();
    assert!(matches!(job.join().ending, Ending::Completed));
}

/// Calls, on the job's own thread, what would wait for that thread.
struct Itself {
    job: Receiver<Job>,
    told: Sender<(ErrorKind, ErrorKind, Outcome)>,
}

impl Observer for Itself {
    fn observe(&mut self, _: &Progress, _: &dyn View) -> Result<ControlFlow<()>> {
        if let Ok(job) = self.job.recv() {
            let handle = job.handle();
            let seen = handle.updates().count();
            assert_eq!(seen, 1);
            let kind = |e: Option<Error>| e.unwrap().kind();
            let errors = (kind(handle.preview(None).err()), kind(handle.checkpoint().err()));
            self.told.send((errors.0, errors.1, job.join())).unwrap();
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn a_job_does_not_wait_for_itself() {
    let ((give, job), (told, outcome)) = (channel(), channel());
    let spawned = endless().spawn_with(None, Itself { job, told }).unwrap();
    let handle = spawned.handle();
    give.send(spawned).unwrap();
    drop(give);
    let (preview, checkpoint, joined) = outcome.recv().unwrap();
    assert_eq!([preview, checkpoint, failed(&joined).kind()], [ErrorKind::Argument; 3]);
    // Joined, it is dropped, and so cancelled.
    assert_eq!(handle.updates().last().unwrap().iteration, 1);
    assert!(handle.is_finished());
}

fn command(which: usize, handle: &Handle, switch: &Cancel) -> Result<()> {
    match which {
        0 => handle.pause(),
        1 | 2 => handle.resume(),
        3 => drop(handle.preview(None)?),
        4 => drop(handle.preview(Some(5))?),
        5 => drop(handle.checkpoint()?),
        6 => drop(handle.light_checkpoint()?),
        7 => handle.set_style_weight(0.5)?,
        8 => handle.set_style_weight(1e30)?,
        9 => drop(handle.progress()),
        10 => drop(handle.is_finished()),
        11 => drop(handle.clone()),
        12 => handle.cancel(),
        _ => switch.cancel(),
    }
    Ok(())
}

/// Commands in any order from two threads, while a third ends the job in any way: no panic, and an end.
fn script(seed: usize) {
    let mut rng = Rng::new(&format!("script {seed}"));
    let mut draw = |n: usize| (((rng.unit() + 1.0) / 2.0 * n as f64) as usize).min(n - 1);
    let optimizer = [Optimizer::default(), Optimizer::Adam(AdamOptions::default())][draw(2)];
    let all = || endless().optimizer(optimizer);
    let (short, cancel) = (draw(2) == 0, Cancel::new());
    let describe = if short { all().iterations(1 + draw(20)) } else { all() };
    let describe = describe.cancel(&cancel);
    let job = match draw(3) {
        0 => describe.spawn().unwrap(),
        1 => describe.build().unwrap().spawn().unwrap(),
        _ => describe.spawn_with(Some(all().build().unwrap().checkpoint().unwrap()), ()).unwrap(),
    };
    let mut start = || {
        let which: Vec<_> = (0..draw(16)).map(|_| if draw(12) == 0 { 12 + draw(2) } else { draw(12) }).collect();
        let (handle, switch) = (job.handle(), cancel.clone());
        thread::spawn(move || {
            for which in which {
                if let Err(e) = command(which, &handle, &switch) {
                    assert_eq!(e.kind(), ErrorKind::Finished, "{e}");
                }
            }
        })
    };
    let mut scripts = vec![start(), start()];
    let (handle, how) = (job.handle(), draw(4));
    if how == 0 {
        drop(job);
    } else {
        if how == 1 {
            scripts.drain(..).for_each(|script| script.join().unwrap());
        }
        match short {
            true => {}
            false if how < 3 => handle.cancel(),
            false => cancel.cancel(),
        }
        if let Ending::Failed(e) = job.join().ending {
            assert_eq!(e.kind(), ErrorKind::NonFinite, "{e}");
        }
        assert!(handle.is_finished());
    }
    scripts.into_iter().for_each(|script| script.join().unwrap());
    handle.updates().for_each(drop);
    assert!(handle.is_finished());
}

#[test]
fn commands_in_any_order() {
    for seed in 0..300 {
        let (tell, told) = channel();
        let running = thread::spawn(move || {
            script(seed);
            tell.send(()).unwrap();
        });
        // Far above what a script takes: it names the script that waits for ever.
        if told.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
            panic!("script {seed} does not end");
        }
        assert!(running.join().is_ok(), "script {seed}");
    }
}
