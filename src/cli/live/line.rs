//! Lines of a screen: pieces of text with what they mean, and how wide they are.
//!
//! What a piece means becomes a colour, or nothing where colours are off: nothing is said by colour alone. Text from
//! elsewhere cannot move the cursor or change the terminal, as control characters are replaced.

/// What a piece means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Plain,
    /// Less important than the rest.
    Faint,
    /// The name of something, or a figure to look at.
    Strong,
    /// As it has to be.
    Good,
    /// Worth a look.
    Warn,
    /// Wrong.
    Bad,
    /// Where a part begins.
    Title,
}

impl Tone {
    /// Select graphic rendition, of the colours that every terminal has.
    const fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Faint => "2",
            Tone::Strong => "1",
            Tone::Good => "32",
            Tone::Warn => "1;33",
            Tone::Bad => "1;31",
            Tone::Title => "1;36",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    tone: Tone,
    text: String,
}

/// One line of a screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<Piece>);

impl Line {
    /// An empty line.
    pub fn new() -> Line {
        Line::default()
    }

    /// This line with more text at its end.
    #[must_use]
    pub fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Line {
        self.push(tone, text);
        self
    }

    /// This line with another one at its end.
    #[must_use]
    pub fn with(mut self, other: Line) -> Line {
        self.append(other);
        self
    }

    /// Adds text.
    pub fn push(&mut self, tone: Tone, text: impl AsRef<str>) {
        let text: String = text.as_ref().chars().map(|c| if c.is_control() { '·' } else { c }).collect();
        if !text.is_empty() {
            self.0.push(Piece { tone, text });
        }
    }

    /// Adds all of another line.
    pub fn append(&mut self, other: Line) {
        self.0.extend(other.0);
    }

    /// Columns that it takes.
    pub fn width(&self) -> usize {
        self.0.iter().map(|piece| width(&piece.text)).sum()
    }

    /// Fills up with spaces to a column.
    #[must_use]
    pub fn to(mut self, column: usize) -> Line {
        let missing = column.saturating_sub(self.width());
        self.push(Tone::Plain, " ".repeat(missing));
        self
    }

    /// Cuts what does not fit.
    #[must_use]
    pub fn cut(self, columns: usize) -> Line {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns;
        let mut kept = Line::new();
        for Piece { tone, text } in self.0 {
            let wide = width(&text);
            if wide < left {
                left -= wide;
                kept.0.push(Piece { tone, text });
                continue;
            }
            kept.push(tone, shorten(&text, left.max(1), End::Right));
            // What ends exactly here is followed by something that is lost.
            if wide == left
                && let Some(last) = kept.0.last_mut()
            {
                last.text.pop();
                last.text.push('…');
            }
            break;
        }
        kept
    }

    /// The line as bytes for a terminal, or as plain text.
    pub fn render(&self, colours: bool) -> String {
        let mut out = String::new();
        for Piece { tone, text } in &self.0 {
            match tone.code() {
                "" => out.push_str(text),
                _ if !colours => out.push_str(text),
                code => {
                    out.push_str("\x1b[");
                    out.push_str(code);
                    out.push('m');
                    out.push_str(text);
                    out.push_str("\x1b[0m");
                }
            }
        }
        if colours { out } else { out.trim_end().to_owned() }
    }
}

/// Columns of a text; every character counts as one.
pub fn width(text: &str) -> usize {
    text.chars().count()
}

/// Which part of a text is left out where there is no room for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its end.
    Right,
    /// Its middle: names of features differ at both ends.
    Middle,
}

/// The text, or as much of it as fits.
pub fn shorten(text: &str, columns: usize, end: End) -> String {
    let wide = width(text);
    if wide <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(1);
    let head = match end {
        End::Right => room,
        End::Middle => room / 3,
    };
    let tail = room - head;
    text.chars().take(head).chain(['…']).chain(text.chars().skip(wide - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_its_room_ends() {
        let line = || Line::new().and(Tone::Strong, "abc").and(Tone::Bad, "def");
        assert_eq!(line().cut(6).render(false), "abcdef");
        assert_eq!(line().cut(5).render(false), "abcd…");
        assert_eq!(line().cut(3).render(false), "ab…");
        assert_eq!(line().cut(5).render(true), "\x1b[1mabc\x1b[0m\x1b[1;31md…\x1b[0m");
        assert_eq!(line().to(8).and(Tone::Plain, "g").render(false), "abcdef  g");
    }

    #[test]
    fn text_from_elsewhere_does_not_reach_the_terminal_as_commands() {
        let line = Line::new().and(Tone::Plain, "a\x1b[2Jb\nc\u{9b}d");
        assert_eq!(line.render(true), "a·[2Jb·c·d");
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(shorten("origin_carrier.landed.mean_late.1d", 20, End::Middle), "origin….mean_late.1d");
        assert_eq!(shorten("abcdef", 4, End::Right), "abc…");
        assert_eq!(shorten("abc", 3, End::Middle), "abc");
    }
}
