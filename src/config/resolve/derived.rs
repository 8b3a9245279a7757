//! `[[features.derived]]`: an expression over fields and features, resolved to steps.

use super::encoded;
use super::expression::{Binary, Expression, parse};
use crate::config::error::Problem;
use crate::config::raw::RawDerived;
use crate::config::suggest;
use crate::data::params::{Calendar, Derived, EventParams, FeatureParams, FieldColumn, Step};

/// A derived feature with its name.
pub(super) struct NamedDerived {
    pub name: String,
    pub derived: Derived,
}

/// Most steps of one expression.
const MAX_STEPS: usize = 1_000;

const FUNCTIONS: [&str; 37] = [
    "abs",
    "bucket",
    "ceil",
    "clip",
    "coalesce",
    "cos",
    "day",
    "day_of_year",
    "day_of_year_cos",
    "day_of_year_sin",
    "exp",
    "floor",
    "hash",
    "hour",
    "hour_cos",
    "hour_of_day",
    "hour_sin",
    "if",
    "log",
    "log1p",
    "max",
    "min",
    "minute",
    "missing",
    "month",
    "month_cos",
    "month_sin",
    "ordinal",
    "pow",
    "round",
    "sin",
    "sqrt",
    "weekday",
    "weekday_cos",
    "weekday_sin",
    "day_cos",
    "day_sin",
];

pub(super) fn derived(
    key: &str,
    raw: &RawDerived,
    events: &EventParams,
    params: &FeatureParams,
) -> Result<NamedDerived, Problem> {
    let Some(name) = raw.name.as_ref().filter(|name| !name.is_empty()) else {
        return Err(Problem::new(format!("{key}.name"), "missing; write the name of the feature"));
    };
    let key = format!("{key}.expr");
    let Some(text) = &raw.expr else {
        return Err(Problem::new(key, "missing; write what the feature is, such as `\"amount / 2\"`"));
    };
    let expression = parse(text).map_err(|error| Problem::new(&key, error.to_string()))?;
    let mut compiler = Compiler { key: &key, events, params, steps: Vec::new() };
    compiler.number(&expression)?;
    if compiler.steps.len() > MAX_STEPS {
        let message = format!("takes {} steps; at most {MAX_STEPS} are possible", compiler.steps.len());
        return Err(Problem::new(key, message));
    }
    Ok(NamedDerived { name: name.clone(), derived: Derived { text: text.clone(), steps: compiler.steps } })
}

struct Compiler<'a> {
    key: &'a str,
    events: &'a EventParams,
    params: &'a FeatureParams,
    steps: Vec<Step>,
}

impl Compiler<'_> {
    fn problem<T>(&self, message: String) -> Result<T, Problem> {
        Err(Problem::new(self.key, message))
    }

    fn push(&mut self, steps: impl IntoIterator<Item = Step>) {
        self.steps.extend(steps);
    }

    /// Appends what computes a number.
    fn number(&mut self, expression: &Expression) -> Result<(), Problem> {
        match expression {
            Expression::Number(x) => self.push([Step::Constant(*x)]),
            Expression::Text(text) => {
                return self
                    .problem(format!("\"{text}\" is a text; compare a string field with it: `field == \"{text}\"`"));
            }
            Expression::Name(name) => {
                let step = self.name(name)?;
                self.push([step]);
            }
            Expression::Negate(inner) => {
                self.number(inner)?;
                self.push([Step::Negate]);
            }
            Expression::Not(inner) => {
                self.number(inner)?;
                self.push([Step::Not]);
            }
            Expression::Binary(binary, left, right) => self.binary(*binary, left, right)?,
            Expression::Call(function, arguments) => self.call(function, arguments)?,
        }
        Ok(())
    }

    /// A number field of the event, or something computed before.
    fn name(&self, name: &str) -> Result<Step, Problem> {
        match self.events.columns().find(|field| field.name == name).map(|field| field.column) {
            Some(FieldColumn::Number(column)) => return Ok(Step::Field(column)),
            Some(FieldColumn::Text(_)) => {
                let message =
                    format!("`{name}` is a string; compare it (`{name} == \"...\"`), or use `hash` or `ordinal`");
                return self.problem(message);
            }
            None => {}
        }
        if let Some(position) = self.params.names.iter().position(|known| known == name) {
            return Ok(Step::Computed(position));
        }
        let fields = self.events.columns().map(|field| field.name.as_str());
        let known: Vec<&str> = fields.chain(self.params.names.iter().map(String::as_str)).collect();
        let hint = suggest::hint(name, known);
        self.problem(format!("`{name}` is neither a field of the event nor a feature named before; {hint}"))
    }

    fn binary(&mut self, binary: Binary, left: &Expression, right: &Expression) -> Result<(), Problem> {
        if let (Expression::Name(field), Expression::Text(text)) = (left, right) {
            let column = encoded::text(self.key, field, self.events)?;
            let is = Step::Is(column, text.clone());
            match binary {
                Binary::Equal => self.push([is]),
                Binary::NotEqual => self.push([is, Step::Not]),
                _ => return self.problem(format!("`{field}` can be compared with a text by `==` and `!=` only")),
            }
            return Ok(());
        }
        self.number(left)?;
        self.number(right)?;
        match binary {
            Binary::Add => self.push([Step::Add]),
            Binary::Subtract => self.push([Step::Subtract]),
            Binary::Multiply => self.push([Step::Multiply]),
            Binary::Divide => self.push([Step::Divide]),
            Binary::Power => self.push([Step::Power]),
            Binary::Less => self.push([Step::Less]),
            Binary::LessOrEqual => self.push([Step::LessOrEqual]),
            Binary::Greater => self.push([Step::LessOrEqual, Step::Not]),
            Binary::GreaterOrEqual => self.push([Step::Less, Step::Not]),
            Binary::Equal => self.push([Step::Equal]),
            Binary::NotEqual => self.push([Step::Equal, Step::Not]),
            Binary::And => self.push([Step::And]),
            Binary::Or => self.push([Step::Or]),
        }
        Ok(())
    }

    fn call(&mut self, function: &str, arguments: &[Expression]) -> Result<(), Problem> {
        if let Some(calendar) = calendar(function) {
            self.expect(function, arguments, 0..=0)?;
            self.push(calendar);
            return Ok(());
        }
        let one = |step: Step| Some((vec![step], 1..=1));
        let known = match function {
            "abs" => one(Step::Abs),
            "sqrt" => one(Step::Sqrt),
            "log" => one(Step::Log),
            "log1p" => one(Step::Log1p),
            "exp" => one(Step::Exp),
            "sin" => one(Step::Sin),
            "cos" => one(Step::Cos),
            "floor" => one(Step::Floor),
            "ceil" => one(Step::Ceil),
            "round" => one(Step::Round),
            "pow" => Some((vec![Step::Power], 2..=2)),
            "if" => Some((vec![Step::If], 3..=3)),
            _ => None,
        };
        if let Some((steps, count)) = known {
            self.expect(function, arguments, count)?;
            arguments.iter().try_for_each(|argument| self.number(argument))?;
            self.push(steps);
            return Ok(());
        }
        match function {
            "min" => self.fold(function, arguments, &Step::Min),
            "max" => self.fold(function, arguments, &Step::Max),
            "coalesce" => self.fold(function, arguments, &Step::Coalesce),
            "clip" => self.clip(arguments),
            "missing" => self.missing(arguments),
            "bucket" => self.bucket(arguments),
            "hash" => self.hash(arguments),
            "ordinal" => self.ordinal(arguments),
            _ => {
                let hint = suggest::hint(function, FUNCTIONS);
                self.problem(format!("`{function}` is no function; {hint}"))
            }
        }
    }

    fn expect(
        &self,
        function: &str,
        arguments: &[Expression],
        n: std::ops::RangeInclusive<usize>,
    ) -> Result<(), Problem> {
        if n.contains(&arguments.len()) {
            return Ok(());
        }
        let (least, most) = (n.start(), n.end());
        let wanted = match (least, most) {
            (least, most) if least == most => format!("{least}"),
            (least, _) => format!("at least {least}"),
        };
        self.problem(format!("`{function}` takes {wanted} arguments; {} are given", arguments.len()))
    }

    /// A function of two arguments over as many as there are, from the left.
    fn fold(&mut self, function: &str, arguments: &[Expression], step: &Step) -> Result<(), Problem> {
        self.expect(function, arguments, 2..=usize::MAX)?;
        for (position, argument) in arguments.iter().enumerate() {
            self.number(argument)?;
            if position > 0 {
                self.push([step.clone()]);
            }
        }
        Ok(())
    }

    fn clip(&mut self, arguments: &[Expression]) -> Result<(), Problem> {
        let [x, low, high] = arguments else { return self.expect("clip", arguments, 3..=3) };
        self.number(x)?;
        self.number(low)?;
        self.push([Step::Max]);
        self.number(high)?;
        self.push([Step::Min]);
        Ok(())
    }

    fn missing(&mut self, arguments: &[Expression]) -> Result<(), Problem> {
        let [of] = arguments else { return self.expect("missing", arguments, 1..=1) };
        if let Expression::Name(name) = of
            && let Ok(column) = encoded::text(self.key, name, self.events)
        {
            self.push([Step::NoText(column)]);
            return Ok(());
        }
        self.number(of)?;
        self.push([Step::Missing]);
        Ok(())
    }

    fn bucket(&mut self, arguments: &[Expression]) -> Result<(), Problem> {
        self.expect("bucket", arguments, 2..=usize::MAX)?;
        let Some((x, edges)) = arguments.split_first() else { return Ok(()) };
        let edges: Option<Vec<f64>> = edges.iter().map(Expression::constant).collect();
        let Some(edges) = edges.filter(|edges| edges.is_sorted_by(|a, b| a < b)) else {
            return self.problem("the edges of `bucket` must be numbers, the smaller first".to_owned());
        };
        self.number(x)?;
        self.push([Step::Bucket(edges)]);
        Ok(())
    }

    fn hash(&mut self, arguments: &[Expression]) -> Result<(), Problem> {
        let [Expression::Name(field), Expression::Number(n)] = arguments else {
            return self.problem("`hash` takes a string field and a number of buckets: `hash(field, 64)`".to_owned());
        };
        let column = encoded::text(self.key, field, self.events)?;
        if n.fract() != 0.0 || !(2.0..=1e6).contains(n) {
            return self.problem(format!("{n} is no number of buckets; write a whole number from 2 to 1000000"));
        }
        self.push([Step::Hash(column, *n as u32)]);
        Ok(())
    }

    fn ordinal(&mut self, arguments: &[Expression]) -> Result<(), Problem> {
        let usage = "`ordinal` takes a string field and its values: `ordinal(field, \"low\", \"high\")`";
        let Some((Expression::Name(field), values)) = arguments.split_first() else {
            return self.problem(usage.to_owned());
        };
        let text = |value: &Expression| if let Expression::Text(text) = value { Some(text.clone()) } else { None };
        let Some(values) = values.iter().map(text).collect::<Option<Vec<_>>>().filter(|values| !values.is_empty())
        else {
            return self.problem(usage.to_owned());
        };
        let column = encoded::text(self.key, field, self.events)?;
        self.push([Step::Ordinal(column, values)]);
        Ok(())
    }
}

/// A reading of the calendar, plain, or on the circle of its period: at 0 where the period begins.
fn calendar(function: &str) -> Option<Vec<Step>> {
    let plain = |name: &str| {
        Some(match name {
            "hour" => Calendar::Hour,
            "minute" => Calendar::Minute,
            "hour_of_day" => Calendar::HourOfDay,
            "weekday" => Calendar::Weekday,
            "day" => Calendar::Day,
            "month" => Calendar::Month,
            "day_of_year" => Calendar::DayOfYear,
            _ => return None,
        })
    };
    if let Some(what) = plain(function) {
        return Some(vec![Step::Calendar(what)]);
    }
    let (name, last) = match function.strip_suffix("_sin") {
        Some(name) => (name, Step::Sin),
        None => (function.strip_suffix("_cos")?, Step::Cos),
    };
    let (what, first, period) = match name {
        "hour" => (Calendar::HourOfDay, 0.0, 24.0),
        "weekday" => (Calendar::Weekday, 1.0, 7.0),
        "day" => (Calendar::Day, 1.0, 31.0),
        "month" => (Calendar::Month, 1.0, 12.0),
        "day_of_year" => (Calendar::DayOfYear, 1.0, 366.0),
        _ => return None,
    };
    let angle = std::f64::consts::TAU / period;
    let since = [Step::Calendar(what), Step::Constant(first), Step::Subtract];
    Some(since.into_iter().chain([Step::Constant(angle), Step::Multiply, last]).collect())
}
