//! The terminal as a screen: its size, keys one by one, and everything as it was afterwards.
//!
//! Invariant: however the process leaves (a key, a signal, an error, a panic), the screen, the cursor and the echo of keys
//! come back. What a `kill -9` leaves behind only `reset` mends.

use std::io::{IsTerminal, Result, Write, stdin, stdout};
use std::sync::Mutex;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::live::{Canvas, Line};

const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How the terminal was before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Columns and lines of the terminal that stdout is; `None` if it is none.
pub(super) fn size() -> Option<Canvas> {
    let size = tcgetwinsize(stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)?;
    Some(Canvas { width: usize::from(size.ws_col), height: Some(usize::from(size.ws_row)) })
}

/// Whether colours are wanted: neither refused on the command line, nor by `NO_COLOR`, nor by a terminal without any.
pub(super) fn colours(refused: bool) -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    !refused && unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether a person sits there who can be shown a screen and type keys.
pub(super) fn is_interactive() -> bool {
    stdout().is_terminal() && stdin().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The screen, until it is dropped.
pub(super) struct Screen {
    shown: Vec<String>,
    size: Option<Canvas>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it is none.
    pub fn open() -> Result<Screen> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(before);
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // First the screen goes, then the message can be read.
            restore();
            told(panic);
        }));
        tcsetattr(stdin(), OptionalActions::Flush, &raw)?;
        let screen = Screen { shown: Vec::new(), size: None };
        stdout().write_all(ENTER.as_bytes())?;
        stdout().flush()?;
        Ok(screen)
    }

    /// Shows these lines; only what changed is written.
    ///
    /// # Errors
    /// When the terminal is gone, or was given back because another thread panicked.
    pub fn show(&mut self, lines: &[Line], size: Canvas, colours: bool) -> Result<()> {
        if BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_none() {
            return Err(std::io::Error::other("something panicked; the lines above say where, please report them"));
        }
        let lines: Vec<String> = lines.iter().map(|line| line.render(colours)).collect();
        let mut out = String::new();
        if self.size != Some(size) {
            out.push_str("\x1b[2J");
            self.shown.clear();
            self.size = Some(size);
        }
        for at in 0..lines.len().max(self.shown.len()) {
            let line = lines.get(at).map_or("", String::as_str);
            if self.shown.get(at).map(String::as_str) != Some(line) {
                // Cleared first: after its last column the cursor stands on that.
                out.push_str(&format!("\x1b[{};1H\x1b[K{line}", at + 1));
            }
        }
        self.shown = lines;
        stdout().write_all(out.as_bytes())?;
        stdout().flush()
    }

    /// Waits for a key; `None` if none came in time.
    pub fn key(&self, timeout: Duration) -> Result<Option<u8>> {
        let input = stdin();
        let mut waits = [PollFd::new(&input, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).map_err(std::io::Error::other)?;
        match poll(&mut waits, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(None),
            Ok(_) => {
                let mut bytes = [0_u8; 64];
                let read = rustix::io::read(&input, &mut bytes)?;
                if read == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                // Keys that send several bytes, as arrows do, mean nothing here.
                Ok(bytes.first().copied().filter(|first| read == 1 || *first != 0x1b))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back; the second time nothing happens.
fn restore() {
    let before = BEFORE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some(before) = before {
        // Where the terminal is gone there is nothing to give back.
        let _ = stdout().write_all(LEAVE.as_bytes());
        let _ = stdout().flush();
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &before);
    }
}
