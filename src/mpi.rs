//! Paints one picture with the processes of an MPI job: each evaluates its share of the tiles and
//! descends on its share of the pixels.
//!
//! ```no_run
//! use style_transfer::backend::Backend;
//! use style_transfer::{Result, SessionBuilder, mpi};
//!
//! fn paint<B: Backend>(describe: impl Fn() -> Result<SessionBuilder<B>>) -> Result<()> {
//!     let world = mpi::World::new()?; // ends MPI when it goes out of scope
//!     let mut session = describe()?.communicator(world.communicator()).build()?;
//!     while !session.is_finished() {
//!         session.step()?;
//!     }
//!     if world.process() == 0 { /* save session.image()?, which is the same in all processes */ }
//!     Ok(())
//! }
//! ```
//!
//! If a process returns early, because of an error or fewer iterations, the steps of the others fail with `Unavailable`. A
//! killed process or a failure within MPI ends the whole job: this is MPI's behaviour unless its error handler is changed,
//! which must not be done here.

use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::mpi::Threading;
use ::mpi::collective::SystemOperation;
use ::mpi::environment::{Universe, initialize_with_threading};
use ::mpi::point_to_point::{Destination, Source};
use ::mpi::request;
use ::mpi::topology::Communicator as _;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{CommunicatorCollectives, Root};

use crate::distributed::Communicator;
use crate::{Error, ErrorKind, Result};

/// Number of values sent at a time. MPI counts in `i32`, and process 0 needs a buffer of at most this size.
const CHUNK: usize = 1 << 20;

/// The processes of an MPI job, of which this is one; finalises MPI when dropped.
///
/// A process can only ever have one: MPI cannot be started twice. It stays in the thread that created it, where MPI must be
/// finalised, while [`communicator`](Self::communicator) may be used in any thread.
#[derive(Debug)]
pub struct World {
    job: Arc<Job>,
    stays: PhantomData<*const ()>,
}

impl World {
    /// Starts MPI. Without `mpirun` or a similar launcher, this is the only process.
    ///
    /// # Errors
    /// `Unavailable` if MPI was started in this process before, or allows calls from one thread only: a session calls it
    /// from any thread of its backend, one at a time (`MPI_THREAD_SERIALIZED`).
    pub fn new() -> Result<Self> {
        let (universe, threading) = initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| unavailable("MPI was started in this process before; keep the first World"))?;
        if threading < Threading::Serialized {
            return Err(unavailable(format!(
                "calls come from several threads, one at a time, and this MPI allows {threading:?} only; take one that was \
                 built with threads"
            )));
        }
        let world = universe.world();
        let number = |rank: i32| usize::try_from(rank).unwrap_or(0);
        let (process, processes) = (number(world.rank()), number(world.size()));
        let link = Link { universe, broken: false, sums: vec![] };
        Ok(Self { job: Arc::new(Job { process, processes, link: Mutex::new(Some(link)) }), stays: PhantomData })
    }

    /// Index of this process, starting at 0.
    #[must_use]
    pub fn process(&self) -> usize {
        self.job.process
    }

    /// Number of processes.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.job.processes
    }

    /// The argument for [`SessionBuilder::communicator`](crate::SessionBuilder::communicator), in all processes. While a session steps,
    /// no other session may use it at the same time, and no other MPI calls may be made. After the end of the `World` it
    /// returns `Unavailable`.
    ///
    /// Process 0 computes the sums and sends them to the others, so all have the same bits. Another number of processes may
    /// change the last bits. If processes add or exchange different numbers of values, because their sessions differ, all get
    /// `Argument`.
    #[must_use]
    pub fn communicator(&self) -> Arc<dyn Communicator> {
        Arc::clone(&self.job) as _
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Notifies the others in their next sum or exchange; otherwise they would wait there, and MPI for them.
        if let Some(link) = self.job.lock().take()
            && !link.broken
        {
            meet(&link.universe.world(), What::End, 0);
        }
    }
}

/// The part of a [`World`] held by sessions.
struct Job {
    process: usize,
    processes: usize,
    /// Serialises calls; `None` after the end.
    link: Mutex<Option<Link>>,
}

struct Link {
    universe: Universe,
    /// Another process has gone away.
    broken: bool,
    /// Sums of one chunk, in process 0.
    sums: Vec<f64>,
}

/// The purpose of a meeting.
#[derive(Clone, Copy)]
enum What {
    End,
    Sum,
    Exchange,
}

/// The result of a meeting.
enum Met {
    All,
    Differing,
    Ended,
}

/// Waits for all processes, and returns whether they want the same.
fn meet(world: &SimpleCommunicator, what: What, len: usize) -> Met {
    let (what, len) = (what as i64, len as i64);
    let mut most = [0; 4];
    world.all_reduce_into(&[what, -what, len, -len], &mut most, SystemOperation::max());
    let [what, what_least, len, len_least] = [most[0], -most[1], most[2], -most[3]];
    if what_least == What::End as i64 {
        Met::Ended
    } else if what == what_least && len == len_least {
        Met::All
    } else {
        Met::Differing
    }
}

impl Job {
    /// A panic of a thread that holds the lock leaves no inconsistent state here.
    fn lock(&self) -> MutexGuard<'_, Option<Link>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `work` with the processes if all of them want the same.
    fn together(
        &self,
        what: What,
        len: usize,
        work: impl FnOnce(&SimpleCommunicator, &mut Vec<f64>) -> bool,
    ) -> Result<()> {
        let mut link = self.lock();
        let link = link.as_mut().ok_or_else(|| unavailable("this process has ended MPI: its World was dropped"))?;
        let world = link.universe.world();
        let met = if link.broken { Met::Ended } else { meet(&world, what, len) };
        match met {
            Met::All if work(&world, &mut link.sums) => Ok(()),
            Met::Ended => {
                link.broken = true;
                Err(unavailable("another process has ended; see its error message"))
            }
            Met::All | Met::Differing => Err(Error::new(
                ErrorKind::Argument,
                format!(
                    "process {} adds or sends other values than another process; describe the same session in all, with the same \
                     tiles or memory limit",
                    self.process
                ),
            )),
        }
    }
}

impl Communicator for Job {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn sum(&self, values: &mut [f64]) -> Result<()> {
        self.together(What::Sum, values.len(), |world, sums| {
            let root = world.process_at_rank(0);
            for chunk in values.chunks_mut(CHUNK) {
                if self.process == 0 {
                    sums.resize(chunk.len().max(sums.len()), 0.0);
                    let sums = &mut sums[..chunk.len()];
                    root.reduce_into_root(&*chunk, sums, SystemOperation::sum());
                    chunk.copy_from_slice(sums);
                } else {
                    root.reduce_into(&*chunk, SystemOperation::sum());
                }
                root.broadcast_into(chunk);
            }
            true
        })
    }

    fn exchange(&self, sent: &[&[f32]], received: &mut [&mut [f32]]) -> Result<()> {
        // The number of values differs from process to process, so it is compared here.
        self.together(What::Exchange, 0, |world, _| {
            let lengths: Vec<_> =
                sent.iter().map(|sent| sent.len() as i64).chain(iter::repeat(-1)).take(self.processes).collect();
            let mut announced = vec![-1; self.processes];
            world.all_to_all_into(&lengths, &mut announced);
            let fits = received.len() == self.processes
                && received.iter().zip(&announced).all(|(received, announced)| received.len() as i64 == *announced);
            let mut differing = 0;
            world.all_reduce_into(&i64::from(!fits), &mut differing, SystemOperation::max());
            if differing == 0 {
                self.send(world, sent, received);
            }
            differing == 0
        })
    }
}

impl Job {
    /// Sends and receives slices whose lengths fit together, all at once.
    fn send(&self, world: &SimpleCommunicator, sent: &[&[f32]], received: &mut [&mut [f32]]) {
        request::scope(|scope| {
            let mut requests = vec![];
            for (process, (sent, received)) in sent.iter().zip(received).enumerate() {
                if process == self.process {
                    received.copy_from_slice(sent);
                    continue;
                }
                // Ranks are i32, so this one fits.
                let peer = world.process_at_rank(process as i32);
                // Messages between two processes arrive in the order in which they are sent.
                requests.extend(sent.chunks(CHUNK).map(|sent| peer.immediate_send(scope, sent)));
                requests
                    .extend(received.chunks_mut(CHUNK).map(|received| peer.immediate_receive_into(scope, received)));
            }
            requests.into_iter().for_each(|request| {
                request.wait();
            });
        });
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, processes, .. } = self;
        f.debug_struct("Job").field("process", process).field("processes", processes).finish_non_exhaustive()
    }
}

fn unavailable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unavailable, message)
}
