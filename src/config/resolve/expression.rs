//! Expressions of derived features: text to a tree.
//!
//! From the loosest to the tightest: `||`, `&&`, comparisons, `+ -`, `* /`, unary `- !`, `^` (from the right). Names are
//! letters, digits, `_` and `.`; any other name stands in back quotes. Nothing is known here of which names there are.

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Name(String),
    Negate(Box<Expression>),
    Not(Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    Call(String, Vec<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Or,
    And,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at character {at}")]
pub(super) struct ExpressionError {
    what: String,
    /// Counted from 1.
    at: usize,
}

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

impl Expression {
    /// The number it is, with its sign, if it is one.
    pub(super) fn constant(&self) -> Option<f64> {
        match self {
            Expression::Number(x) => Some(*x),
            Expression::Negate(inner) => inner.constant().map(|x| -x),
            _ => None,
        }
    }
}

pub(super) fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, end: text.chars().count() + 1, depth: 0 };
    let expression = parser.binary(0)?;
    match parser.tokens.first() {
        None => Ok(expression),
        Some((at, token)) => Err(ExpressionError { what: format!("`{token}` is not expected"), at: *at }),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64),
    Text(String),
    Name(String),
    Sign(&'static str),
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Number(x) => write!(f, "{x}"),
            Token::Text(text) => write!(f, "\"{text}\""),
            Token::Name(name) => f.write_str(name),
            Token::Sign(sign) => f.write_str(sign),
        }
    }
}

/// Longer ones first.
const SIGNS: [&str; 17] = ["<=", ">=", "==", "!=", "&&", "||", "<", ">", "+", "-", "*", "/", "^", "!", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.chars().count() - rest.chars().count() + 1;
        let error = |what: &str| ExpressionError { what: what.to_owned(), at };
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, len) = if first.is_ascii_digit() || first == '.' {
            let len = number_length(rest);
            let number = rest[..len].parse::<f64>().ok().filter(|x| x.is_finite());
            (Token::Number(number.ok_or_else(|| error("no number"))?), len)
        } else if first.is_alphabetic() || first == '_' {
            let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
            let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            (Token::Name(rest[..len].to_owned()), len)
        } else if first == '`' || first == '"' {
            let inner = &rest[1..];
            let len = inner.find(first).ok_or_else(|| error("a quote that is not closed"))?;
            let inner = inner[..len].to_owned();
            (if first == '`' { Token::Name(inner) } else { Token::Text(inner) }, len + 2)
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| error(&format!("`{first}` is not expected")))?;
            (Token::Sign(sign), sign.len())
        };
        tokens.push((at, token));
        rest = &rest[len..];
    }
    Ok(tokens)
}

/// Digits, a point, an exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let last = digits(end + 1 + sign);
        if last > end + 1 + sign {
            end = last;
        }
    }
    end
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    end: usize,
    depth: usize,
}

const LEVELS: [&[(&str, Binary)]; 5] = [
    &[("||", Binary::Or)],
    &[("&&", Binary::And)],
    &[
        ("<", Binary::Less),
        ("<=", Binary::LessOrEqual),
        (">", Binary::Greater),
        (">=", Binary::GreaterOrEqual),
        ("==", Binary::Equal),
        ("!=", Binary::NotEqual),
    ],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide)],
];

impl Parser<'_> {
    fn error<T>(&self, what: &str) -> Result<T, ExpressionError> {
        let at = self.tokens.first().map_or(self.end, |(at, _)| *at);
        Err(ExpressionError { what: what.to_owned(), at })
    }

    fn take(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.tokens.first(), Some((_, Token::Sign(next))) if *next == sign);
        if is_there {
            self.tokens = &self.tokens[1..];
        }
        is_there
    }

    fn binary(&mut self, level: usize) -> Result<Expression, ExpressionError> {
        let Some(signs) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some((_, binary)) = signs.iter().find(|(sign, _)| self.take(sign)) {
            let right = self.binary(level + 1)?;
            left = Expression::Binary(*binary, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, ExpressionError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.error("nested too deep");
        }
        let expression = if self.take("-") {
            Expression::Negate(Box::new(self.unary()?))
        } else if self.take("!") {
            Expression::Not(Box::new(self.unary()?))
        } else {
            let base = self.primary()?;
            if self.take("^") {
                Expression::Binary(Binary::Power, Box::new(base), Box::new(self.unary()?))
            } else {
                base
            }
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, ExpressionError> {
        if self.take("(") {
            let inner = self.binary(0)?;
            return if self.take(")") { Ok(inner) } else { self.error("`)` is expected") };
        }
        let Some(((_, token), rest)) = self.tokens.split_first() else { return self.error("something is expected") };
        let expression = match token {
            Token::Number(x) => Expression::Number(*x),
            Token::Text(text) => Expression::Text(text.clone()),
            Token::Name(name) => {
                self.tokens = rest;
                if !self.take("(") {
                    return Ok(Expression::Name(name.clone()));
                }
                return Ok(Expression::Call(name.clone(), self.arguments()?));
            }
            Token::Sign(sign) => return self.error(&format!("`{sign}` is not expected")),
        };
        self.tokens = rest;
        Ok(expression)
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, ExpressionError> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.binary(0)?);
            if self.take(")") {
                return Ok(arguments);
            }
            if !self.take(",") {
                return self.error("`,` or `)` is expected");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &Expression) -> f64 {
        match expression {
            Expression::Number(x) => *x,
            Expression::Negate(x) => -value(x),
            Expression::Binary(binary, a, b) => match (binary, value(a), value(b)) {
                (Binary::Add, a, b) => a + b,
                (Binary::Subtract, a, b) => a - b,
                (Binary::Multiply, a, b) => a * b,
                (Binary::Divide, a, b) => a / b,
                (Binary::Power, a, b) => libm::pow(a, b),
                (Binary::Less, a, b) => f64::from(u8::from(a < b)),
                (Binary::Or, a, b) => f64::from(u8::from(a != 0.0 || b != 0.0)),
                _ => f64::NAN,
            },
            _ => f64::NAN,
        }
    }

    #[test]
    fn what_binds_tighter_is_done_first() {
        let cases = [
            ("1 + 2 * 3 - 4", 3.0),
            ("(1 + 2) * 3", 9.0),
            ("-2 ^ 2", -4.0),
            ("2 ^ 3 ^ 2", 512.0),
            ("8 / 4 / 2", 1.0),
            ("1 - -1", 2.0),
            ("0 || 1 + 1 < 3", 1.0),
            ("1.5e2 + .5", 150.5),
        ];
        for (text, expected) in cases {
            assert_eq!(value(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn names_may_look_like_features_and_anything_in_back_quotes() {
        assert_eq!(parse("card.events.p99.9_amount.1h"), Ok(Expression::Name("card.events.p99.9_amount.1h".into())));
        assert_eq!(parse("`a-b c`"), Ok(Expression::Name("a-b c".into())));
    }

    #[test]
    fn an_error_says_where() {
        let at = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(at("1 +"), "something is expected at character 4");
        assert_eq!(at("f(1 2)"), "`,` or `)` is expected at character 5");
        assert_eq!(at("a # b"), "`#` is not expected at character 3");
        assert_eq!(at("1 )"), "`)` is not expected at character 3");
        assert_eq!(at(&"(".repeat(1_000)), "nested too deep at character 65");
        assert_eq!(at("\"open"), "a quote that is not closed at character 1");
    }
}
