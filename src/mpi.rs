//! Paints one picture with the processes of an MPI job: each evaluates its share of the tiles.
//!
//! ```no_run
//! use style_transfer::backend::Backend;
//! use style_transfer::{Result, SessionBuilder, mpi};
//!
//! fn paint<B: Backend>(describe: impl Fn() -> Result<SessionBuilder<B>>) -> Result<()> {
//!     let world = mpi::World::new()?; // ends MPI when it goes out of scope
//!     let mut session = describe()?.reduce(world.reduce()).build()?;
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
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::mpi::Threading;
use ::mpi::collective::SystemOperation;
use ::mpi::environment::{Universe, initialize_with_threading};
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator, CommunicatorCollectives, Equivalence, Root};

use crate::distributed::Reduce;
use crate::{Error, ErrorKind, Result};

/// Number of values sent at a time. MPI counts in `i32`, and process 0 needs a buffer of this size.
const CHUNK: usize = 1 << 20;

/// The processes of an MPI job, of which this is one; finalises MPI when dropped.
///
/// A process can only ever have one: MPI cannot be started twice. It stays in the thread that created it, where MPI must be
/// finalised, while [`reduce`](Self::reduce) may be used in any thread.
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
                "sums come from several threads, one at a time, and this MPI allows {threading:?} only; take one that was \
                 built with threads"
            )));
        }
        let world = universe.world();
        let number = |rank: i32| usize::try_from(rank).unwrap_or(0);
        let (process, processes) = (number(world.rank()), number(world.size()));
        let link = Link { universe, broken: false, values: vec![], gradients: vec![] };
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

    /// The argument for [`SessionBuilder::reduce`](crate::SessionBuilder::reduce), in all processes. While a session steps,
    /// no other session may use it at the same time, and no other MPI calls may be made. After the end of the `World` it
    /// returns `Unavailable`.
    ///
    /// Process 0 computes the sums and sends them to the others, so all have the same bits. Another number of processes may
    /// change the last bits. If processes add different numbers of values, because their sessions differ, all get
    /// `Argument`.
    #[must_use]
    pub fn reduce(&self) -> Arc<dyn Reduce> {
        Arc::clone(&self.job) as _
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Notifies the others in their next sum; otherwise they would wait there, and MPI for them.
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
    values: Vec<f64>,
    gradients: Vec<f32>,
}

/// The purpose of a meeting.
#[derive(Clone, Copy)]
enum What {
    End,
    Values,
    Gradient,
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

    fn add<T: Equivalence + Copy + Default>(
        &self,
        what: What,
        values: &mut [T],
        sums: impl FnOnce(&mut Link) -> &mut Vec<T>,
    ) -> Result<()> {
        let mut link = self.lock();
        let link = link.as_mut().ok_or_else(|| unavailable("this process has ended MPI: its World was dropped"))?;
        let world = link.universe.world();
        let met = if link.broken { Met::Ended } else { meet(&world, what, values.len()) };
        match met {
            Met::All => {}
            Met::Ended => {
                link.broken = true;
                return Err(unavailable("another process has ended; see its error message"));
            }
            Met::Differing => {
                return Err(Error::new(
                    ErrorKind::Argument,
                    format!(
                        "process {} adds {} values, and another one another number; describe the same session in all, \
                         with the same tiles or memory limit",
                        self.process,
                        values.len()
                    ),
                ));
            }
        }
        let (root, sums) = (world.process_at_rank(0), sums(link));
        for chunk in values.chunks_mut(CHUNK) {
            if self.process == 0 {
                sums.resize(chunk.len().max(sums.len()), T::default());
                let sums = &mut sums[..chunk.len()];
                root.reduce_into_root(&*chunk, sums, SystemOperation::sum());
                chunk.copy_from_slice(sums);
            } else {
                root.reduce_into(&*chunk, SystemOperation::sum());
            }
            root.broadcast_into(chunk);
        }
        Ok(())
    }
}

impl Reduce for Job {
    fn process(&self) -> usize {
        self.process
    }

    fn processes(&self) -> usize {
        self.processes
    }

    fn sum(&self, values: &mut [f64]) -> Result<()> {
        self.add(What::Values, values, |link| &mut link.values)
    }

    fn sum_gradient(&self, values: &mut [f32]) -> Result<()> {
        self.add(What::Gradient, values, |link| &mut link.gradients)
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
