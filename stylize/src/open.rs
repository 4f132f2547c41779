//! Opens files and addresses with other programs.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::thread;

/// Opens a file or an address with the system's program for it; `false` if there is none.
pub(crate) fn open(what: &OsStr) -> bool {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    let mut command = Command::new(program);
    command.args(arguments).arg(what).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C here must not end the other program.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let Ok(mut started) = command.spawn() else { return false };
    // It may run as long as the browser.
    thread::spawn(move || started.wait());
    true
}
