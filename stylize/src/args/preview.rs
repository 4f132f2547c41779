//! `--preview`.

use clap::ValueEnum;

/// How the terminal shows the picture while it is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preview {
    /// As the terminal can, by its name
    Auto,
    /// Kitty's protocol: kitty, Ghostty, WezTerm, Konsole
    Kitty,
    /// Sixels: foot, mlterm, Windows Terminal, xterm -ti vt340
    Sixel,
    /// Half blocks, for any terminal with colours
    Blocks,
    /// None
    Off,
}
