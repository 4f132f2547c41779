//! One picture painted by several processes, on one machine or many: each evaluates some of the tiles and
//! moves some of the pixels (docs/distributed.md).
//!
//! ```sh
//! cargo build --release --features mpi --example mpi
//! mpirun -n 3 --bind-to none target/release/examples/mpi PHOTO PAINTING painted.png --size 1024 --tiles 3 2 --threads 2
//! target/release/examples/mpi PHOTO PAINTING single.png --size 1024 --single
//! ```
//!
//! Process 0 writes the picture and prints the losses of each evaluation, one line of JSON each. `--single` paints the
//! same picture, up to rounding, in one process without MPI.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use serde_json::json;
use style_pictures::Picture;
use style_transfer::cpu::Cpu;
use style_transfer::{AdamOptions, Network, Optimizer, Session, SessionBuilder, models, mpi};

/// Repaint a photograph in the style of a painting, in the processes of an MPI job.
#[derive(Parser)]
#[command(name = "mpi")]
struct Args {
    /// The photograph
    content: PathBuf,
    /// The painting
    style: PathBuf,
    /// Path of the result
    output: PathBuf,
    /// Long side of the result and of the painting in pixels
    #[arg(long, value_name = "N", default_value_t = 512)]
    size: u32,
    /// Number of evaluations
    #[arg(long, value_name = "N", default_value_t = 300)]
    iterations: usize,
    /// Rows and columns of tiles [default: at least as many tiles as processes, if the picture allows]
    #[arg(long, num_args = 2, value_names = ["ROWS", "COLUMNS"])]
    tiles: Option<Vec<usize>>,
    /// Threads per process
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Memory limit per process in MiB; a larger problem is split into more tiles [default: no limit]
    #[arg(long, value_name = "MIB")]
    memory: Option<usize>,
    /// Use Adam instead of L-BFGS: slower, in less memory
    #[arg(long)]
    adam: bool,
    /// Paint in one process, without MPI
    #[arg(long)]
    single: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.single {
        return paint(describe(&args)?, &args, true);
    }
    let world = mpi::World::new()?;
    let session = describe(&args)?.communicator(world.communicator());
    paint(session, &args, world.process() == 0)
}

/// Describes the session, which must be the same in all processes.
fn describe(args: &Args) -> Result<SessionBuilder<Cpu>> {
    let network = Network::new(Cpu::builder().threads(args.threads).build()?, models::embedded()?.model())?;
    let mut session = Session::builder(network)
        .content(Picture::open(&args.content)?.sized(args.size)?.image)
        .style(Picture::open(&args.style)?.sized(args.size)?.image)
        .iterations(args.iterations);
    if let Some([rows, columns]) = args.tiles.as_deref() {
        session = session.tiles(*rows, *columns);
    }
    if let Some(mib) = args.memory {
        session = session.memory_limit(mib.saturating_mul(1 << 20));
    }
    if args.adam {
        session = session.optimizer(Optimizer::Adam(AdamOptions::default()));
    }
    Ok(session)
}

fn paint(session: SessionBuilder<Cpu>, args: &Args, prints: bool) -> Result<()> {
    let mut session = session.build()?;
    while !session.is_finished() {
        let progress = session.step()?;
        if prints {
            let losses = &progress.losses;
            let line = json!({
                "iteration": progress.iteration,
                "total": losses.total,
                "content": losses.content(),
                "style": losses.style(),
            });
            writeln!(std::io::stdout(), "{line}")?;
        }
    }
    if prints {
        style_pictures::save(&args.output, &session.image()?)?;
    }
    Ok(())
}
