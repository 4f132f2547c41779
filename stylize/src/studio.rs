//! `stylize studio`: the page to paint in.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use style_studio::{Options, Sample, Server};

use crate::interrupt::Interrupt;
use crate::open::open;
use crate::report::Report;
use crate::source::{PAINTING, PHOTOGRAPH};

/// How often the program looks whether it should end.
const LOOK: Duration = Duration::from_millis(100);

/// Paint in the browser: drop a photograph and a painting, watch the picture grow, and change it meanwhile.
///
/// The page is served on this machine, at an address that only its user gets to know. Jobs are kept in a folder: when the
/// studio is started again, they continue where they stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Port [default: 7478, or any if that one is taken]
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// Address to serve at. Any but a loopback address (127.0.0.1, ::1) makes the page available to the network, without
    /// encryption; the random part of the address is its only key
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,

    /// Folder with the pictures and jobs; it is made if it is not there
    #[arg(long, value_name = "FOLDER", default_value = "out/studio")]
    dir: PathBuf,

    /// Do not open the browser
    #[arg(long)]
    no_open: bool,

    /// Threads that paint; their number does not affect the result [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    /// Read defaults from a TOML file, as for painting: its table "studio", and --threads; "none" reads no file [default:
    /// stylize.toml in the user's configuration folder, if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// All samples, with their authors and licences as in `samples/LICENSES.md`. The page without a server has the same in
/// `web/engine-wasm.js`.
fn samples() -> Vec<Sample> {
    let of =
        |name: &str, title: &str, painting, file| Sample { name: name.into(), title: title.into(), painting, file };
    let short = |title: &str| title.replace("sample; ", "");
    vec![
        of("Tübingen", &short(PHOTOGRAPH.title), false, PHOTOGRAPH.file),
        of("Cat", "Chelsea (photograph: Stéfan van der Walt, CC0)", false, include_bytes!("../samples/cat.jpg")),
        of(
            "Astronaut",
            "Eileen Collins (photograph: NASA, public domain)",
            false,
            include_bytes!("../samples/astronaut.jpg"),
        ),
        of(
            "Pavilion",
            "A pavilion in the Summer Palace, Beijing (photograph: danielbuechele, CC BY 2.0)",
            false,
            include_bytes!("../samples/china.jpg"),
        ),
        of("The Starry Night", &short(PAINTING.title), true, PAINTING.file),
        of("Swirls", "Swirls (painted by a program of this project)", true, include_bytes!("../samples/swirls.jpg")),
        of("Mosaic", "Mosaic (made by a program of this project)", true, include_bytes!("../samples/mosaic.jpg")),
    ]
}

/// Serves the page until it is interrupted.
pub(crate) fn serve(args: &Args, report: &Report) -> Result<()> {
    let interrupt = Interrupt::new()?;
    let mut options = Options::new(&args.dir);
    (options.port, options.bind, options.threads) = (args.port, args.bind, args.threads);
    options.samples = samples();
    let server = Server::start(options)?;
    let address = server.address();
    report.say(format!("studio   {address}"));
    report.say(format!("folder   {}", args.dir.display()));
    if args.bind.is_unspecified() {
        report.say("note: on other machines, replace the loopback address above with this machine's IP address");
    }
    report.say("Ctrl-C ends it; the jobs go on when it is started again");
    let door = server.door()?;
    if !args.no_open && !open(door.as_os_str()) {
        report.say("note: no browser could be started; open the address above");
    }
    while !interrupt.asked() {
        thread::sleep(LOOK);
    }
    server.stop();
    Ok(())
}
