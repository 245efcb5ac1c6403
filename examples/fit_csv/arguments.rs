use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lexopt::Arg;

use super::Outcome;

pub(crate) const HELP: &str = "\
Learns the law of a table of numbers: a header line, then one row a sample, separated by commas.

usage: fit_csv --data IN.csv [options]
       fit_csv --load MODEL.json [options]

  --data IN.csv              learn these rows
  --component-std S          standard deviation of the Gaussian blur that is known to be part of the
                             rows, the same in all columns; estimated unless given
  --load MODEL.json          take a saved model instead of learning one
  --save MODEL.json          save the model and the names of its columns

  --samples N --out NEW.csv  draw N new rows
  --eval ROWS.csv --log-density-out LD.csv
                             natural logarithm of the density at the rows of a table with the same
                             columns, in the units of the learned rows; -inf off the affine hull of rows
                             that do not vary in every direction
  --plot PICTURE.svg         the rows of --data, as many new ones, and the learned density

  --seed N                   the same seed gives the same files; 1 unless given
  --threads T                number of threads; all there are unless given. No result depends on it
  --help                     this text

The report of the fit goes to standard output, its warnings to standard error too. Files are written
all or none; one that was there before is replaced.
";

/// More rows than this would fill the memory of most machines before they are written.
const MOST_SAMPLES: u64 = 100_000_000;
const MOST_THREADS: u64 = 1024;

/// Where the model comes from.
pub(crate) enum Source {
    Data { path: PathBuf, component_std: Option<f64> },
    Saved(PathBuf),
}

/// What is asked for.
pub(crate) struct Arguments {
    pub(crate) source: Source,
    pub(crate) seed: u64,
    pub(crate) threads: Option<usize>,
    /// Number of new rows, and their file.
    pub(crate) draw: Option<(usize, PathBuf)>,
    /// File of the rows, and file of the log-density there.
    pub(crate) evaluate: Option<(PathBuf, PathBuf)>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) save: Option<PathBuf>,
}

/// The values of the options as given.
#[derive(Default)]
struct Given(Vec<(&'static str, OsString)>);

const OPTIONS: [&str; 11] = [
    "data",
    "component-std",
    "load",
    "save",
    "samples",
    "out",
    "eval",
    "log-density-out",
    "plot",
    "seed",
    "threads",
];

impl Arguments {
    /// `None` when help is wanted.
    pub(crate) fn parse(parser: lexopt::Parser) -> Outcome<Option<Self>> {
        let Some(mut given) = Given::read(parser)? else { return Ok(None) };
        let positive = |std: &f64| *std > 0.0 && std.is_finite();
        let component_std = given.number("component-std", "a positive number", positive)?;
        let source = match (given.path("data"), given.path("load")) {
            (Some(path), None) => Source::Data { path, component_std },
            (None, Some(_)) if component_std.is_some() => {
                return Err("--component-std is for a fit: it needs --data, not --load".into());
            }
            (None, Some(path)) => Source::Saved(path),
            (Some(_), Some(_)) => return Err("--data and --load exclude each other".into()),
            (None, None) => return Err("--data or --load is missing; --help lists all options".into()),
        };
        let within = |most: u64| move |n: &u64| (1..=most).contains(n);
        let samples = given.number("samples", "a whole number from 1 to 100000000", within(MOST_SAMPLES))?;
        let threads = given.number("threads", "a whole number from 1 to 1024", within(MOST_THREADS))?;
        let seed = given.number("seed", "a whole number from 0 to 18446744073709551615", |_: &u64| true)?;
        let arguments = Self {
            draw: both(("samples", samples.map(|n| n as usize)), ("out", given.path("out")))?,
            evaluate: both(("eval", given.path("eval")), ("log-density-out", given.path("log-density-out")))?,
            plot: given.path("plot"),
            save: given.path("save"),
            seed: seed.unwrap_or(1),
            threads: threads.map(|n| n as usize),
            source,
        };
        if let (Some(_), Source::Saved(_)) = (&arguments.plot, &arguments.source) {
            return Err("--plot shows the data too: it needs --data, not --load".into());
        }
        Ok(Some(arguments))
    }

    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let (Source::Data { path: source, .. } | Source::Saved(source)) = &self.source;
        let eval = self.evaluate.iter().map(|(rows, _)| rows.as_path());
        [source.as_path()].into_iter().chain(eval)
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Path> {
        let draw = self.draw.iter().map(|(_, path)| path);
        let evaluate = self.evaluate.iter().map(|(_, path)| path);
        draw.chain(evaluate).chain(&self.plot).chain(&self.save).map(PathBuf::as_path)
    }

    /// No two outputs are one file, and none is an input, whatever their paths are spelled like.
    pub(crate) fn check_paths(&self) -> Outcome {
        let mut taken: Vec<(PathBuf, &str)> =
            self.inputs().map(|path| (resolved(path), "an input")).collect();
        for path in self.outputs() {
            let file = resolved(path);
            if let Some((_, what)) = taken.iter().find(|(other, _)| *other == file) {
                return Err(format!("{}: this output is also {what}", path.display()));
            }
            taken.push((file, "another output"));
        }
        Ok(())
    }
}

/// Both of two options that need each other, or none.
fn both<A, B>(first: (&str, Option<A>), second: (&str, Option<B>)) -> Outcome<Option<(A, B)>> {
    match (first, second) {
        ((_, Some(a)), (_, Some(b))) => Ok(Some((a, b))),
        ((_, None), (_, None)) => Ok(None),
        ((given, Some(_)), (missing, None)) | ((missing, None), (given, Some(_))) => {
            Err(format!("--{given} needs --{missing} too"))
        }
    }
}

/// The one path of a file that has many; a file that is not there yet is told by its directory.
fn resolved(path: &Path) -> PathBuf {
    let by_directory = || {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = fs::canonicalize(directory.unwrap_or(Path::new("."))).ok()?;
        Some(directory.join(path.file_name()?))
    };
    fs::canonicalize(path).ok().or_else(by_directory).unwrap_or_else(|| path.to_owned())
}

impl Given {
    fn read(mut parser: lexopt::Parser) -> Outcome<Option<Self>> {
        let mut given = Self::default();
        while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
            let option = match argument {
                Arg::Short('h') | Arg::Long("help") => return Ok(None),
                Arg::Long(name) => OPTIONS.into_iter().find(|option| *option == name),
                _ => None,
            };
            let Some(option) = option else {
                return Err(format!("{}; --help lists all options", argument.unexpected()));
            };
            if given.has(option) {
                return Err(format!("--{option} is given twice"));
            }
            let value = parser.value().map_err(|_| format!("--{option} needs a value"))?;
            given.0.push((option, value));
        }
        Ok(Some(given))
    }

    fn has(&self, option: &str) -> bool {
        self.0.iter().any(|(name, _)| *name == option)
    }

    fn take(&mut self, option: &str) -> Option<OsString> {
        let index = self.0.iter().position(|(name, _)| *name == option)?;
        Some(self.0.swap_remove(index).1)
    }

    fn path(&mut self, option: &str) -> Option<PathBuf> {
        self.take(option).map(PathBuf::from)
    }

    fn number<T: std::str::FromStr>(
        &mut self,
        option: &str,
        wanted: &str,
        valid: impl Fn(&T) -> bool,
    ) -> Outcome<Option<T>> {
        let Some(value) = self.take(option) else { return Ok(None) };
        match value.to_str().and_then(|text| text.parse().ok()).filter(valid) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("--{option} is {}, but must be {wanted}", value.display())),
        }
    }
}
