use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use lexopt::Arg;

use super::Outcome;

pub(crate) const HELP: &str = "\
Learns the law of a table: a header line, then one row a sample, separated by commas.

usage: fit_csv --data IN.csv [options]
       fit_csv --load MODEL.json [options]

  --data IN.csv              learn these rows
  --component-std S          standard deviation of the Gaussian blur that is known to be part of the
                             rows, the same in all columns; estimated unless given
  --columns A,B,C            learn these columns of --data, whatever others there are
  --detect                   columns are what they seem to be: rounded, bounded, with values that repeat, labels,
                             with empty cells; what is found is shown, and new rows look like the file's.
                             Without it columns are real numbers, unless one has labels alone
  --column \"price: above 0, step 0.01\"
                             as --detect, and says what a column is: one of real, above A, below B, between A B,
                             circle PERIOD, values V W X, labels; then step S, atoms V W; once a column
  --missing                  cells of --data that are empty, NA or nan are values that were not seen
  --errors X=X_ERR,Y=Y_ERR   column X_ERR of --data has the standard deviations of the errors of X, 0 where it
                             is exact; what is learned is the law of the values without their errors
  --load MODEL.json          take a saved model instead of learning one
  --save MODEL.json          save the model and the names of its columns

  --samples N --out NEW.csv  draw N new rows
  --eval ROWS.csv --log-density-out LD.csv
                             natural logarithm of the density at the rows of a table with the same
                             columns, in the units of the learned rows; -inf off the affine hull of rows
                             that do not vary in every direction
  --given \"A=3.2,B=1.0±0.1\"   draw the new rows from the law of the others when this was seen: exactly, or
                             with an error of that standard deviation (also written 1.0+-0.1); with --detect exact
                             values and labels
  --predict Y --eval ROWS.csv --predictions-out P.csv
                             for each row of the table the mean and the standard deviation of column Y
                             given the others, and the logarithm of the density of the row's own Y given
                             them, empty where it has none; the table is read by the names of its columns.
                             Of a column of labels the probability of each
  --quantiles .05,.5,.95     these quantiles of Y too
  --impute IN.csv --imputed OUT.csv
                             the table with its empty cells drawn from the law given the other cells of the
                             row; read by the names of its columns
  --draws M                  M such tables, one below the other; 0: the means instead of draws
  --surprise S.csv --eval ROWS.csv
                             for each row of the table the logarithm of its density, the probability of one
                             as low or lower under the law, and minus the logarithm of the density of each of
                             its values given the others; to standard output without S.csv

  --clusters C.csv           for each row of --data its cluster, from 0, the largest first, and the probability
                             of that: groups of cells without a valley of the density between them
  --cluster-count K          so many clusters, which keep their rows to themselves, valleys or none
  --outliers MASS            cluster -1 for rows in no cluster's highest density set of this probability, such
                             as .99
  --clusters-plot C.svg      the rows of --data, coloured by cluster

  --plot PICTURE.svg         the rows of --data, as many new ones, and the learned density; of more than two
                             columns all pairs

  --seed N                   the same seed gives the same files; 1 unless given
  --threads T                number of threads; all there are unless given. No result depends on it
  --help                     this text

In the tables of --predict, --impute and --surprise an empty cell or NA is a value that was not seen. Tables
that are learned have none without --missing, and those of --log-density-out never.

The report of the fit goes to standard output, its warnings to standard error too. Files are written
all or none; one that was there before is replaced.
";

/// More rows than this would fill the memory of most machines before they are written.
const MOST_SAMPLES: u64 = 100_000_000;
const MOST_DRAWS: u64 = 10_000;
const MOST_THREADS: u64 = 1024;

/// Where the model comes from.
pub(crate) enum Source {
    Data(Data),
    Saved(PathBuf),
}

/// A table to learn.
pub(crate) struct Data {
    pub(crate) path: PathBuf,
    pub(crate) component_std: Option<f64>,
    /// Whether cells may be empty.
    pub(crate) missing: bool,
    /// Columns whose values have errors, each with the column of their standard deviations.
    pub(crate) errors: Vec<(String, String)>,
    /// Whether columns are what they seem to be.
    pub(crate) detect: bool,
    /// What is said of columns then.
    pub(crate) columns: Vec<String>,
}

/// What is asked for.
pub(crate) struct Arguments {
    pub(crate) source: Source,
    pub(crate) seed: u64,
    pub(crate) threads: Option<usize>,
    /// Number of new rows, and their file.
    pub(crate) draw: Option<(usize, PathBuf)>,
    /// The columns to learn.
    pub(crate) columns: Option<Vec<String>>,
    /// What was seen, for the draws.
    pub(crate) given: Option<String>,
    /// File of the rows about which something is asked.
    pub(crate) eval: Option<PathBuf>,
    /// File of the log-density there.
    pub(crate) log_density: Option<PathBuf>,
    pub(crate) predict: Option<Prediction>,
    pub(crate) surprise: Option<Surprise>,
    pub(crate) impute: Option<Imputation>,
    pub(crate) clusters: Option<Clustering>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) save: Option<PathBuf>,
}

/// The value of a column, and the standard deviation of its error; 0 where it is exact.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) column: String,
    pub(crate) value: f64,
    pub(crate) std: f64,
}

/// A column to predict, with its quantiles, and the file of the answers.
pub(crate) struct Prediction {
    pub(crate) column: String,
    pub(crate) quantiles: Vec<f64>,
    pub(crate) out: PathBuf,
}

/// The file of the clusters of rows; how many there are to be, the mass beyond which rows are left out, and the file of a
/// picture.
pub(crate) struct Clustering {
    pub(crate) out: PathBuf,
    pub(crate) count: Option<usize>,
    pub(crate) outliers: Option<f64>,
    pub(crate) plot: Option<PathBuf>,
}

/// Where the surprise of rows goes.
pub(crate) enum Surprise {
    Shown,
    Written(PathBuf),
}

/// A table with empty cells, the file of the completed one, and how many draws of it; means where there are none.
pub(crate) struct Imputation {
    pub(crate) table: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) draws: usize,
}

/// The values of the options as given.
#[derive(Default)]
struct Given(Vec<(&'static str, OsString)>);

const OPTIONS: [&str; 28] = [
    "data",
    "detect",
    "column",
    "component-std",
    "columns",
    "missing",
    "errors",
    "load",
    "save",
    "samples",
    "out",
    "given",
    "eval",
    "log-density-out",
    "predict",
    "predictions-out",
    "quantiles",
    "impute",
    "imputed",
    "draws",
    "surprise",
    "clusters",
    "cluster-count",
    "outliers",
    "clusters-plot",
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
            (Some(path), None) => Source::Data(Data {
                path,
                component_std,
                missing: given.take("missing").is_some(),
                errors: given.text("errors")?.map_or(Ok(Vec::new()), |list| read_errors(&list))?,
                detect: given.take("detect").is_some() || given.has("column"),
                columns: given.texts("column")?,
            }),
            (None, Some(_)) if given.has("detect") || given.has("column") => {
                return Err("--detect and --column are for a fit: they need --data, not --load".into());
            }
            (None, Some(_)) if given.has("missing") || given.has("errors") => {
                return Err("--missing and --errors are for a fit: they need --data, not --load".into());
            }
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
        let columns =
            given.text("columns")?.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect());
        let draws = given.number("draws", "a whole number from 0 to 10000", |n: &u64| *n <= MOST_DRAWS)?;
        let arguments = Self {
            draw: both(("samples", samples.map(|n| n as usize)), ("out", given.path("out")))?,
            columns,
            given: given.text("given")?,
            eval: given.path("eval"),
            log_density: given.path("log-density-out"),
            predict: given.prediction()?,
            surprise: given.surprise(),
            impute: both(("impute", given.path("impute")), ("imputed", given.path("imputed")))?
                .map(|(table, out)| Imputation { table, out, draws: draws.unwrap_or(1) as usize }),
            clusters: given.clustering()?,
            plot: given.path("plot"),
            save: given.path("save"),
            seed: seed.unwrap_or(1),
            threads: threads.map(|n| n as usize),
            source,
        };
        if let (Some(_), Source::Saved(_)) = (&arguments.plot, &arguments.source) {
            return Err("--plot shows the data too: it needs --data, not --load".into());
        }
        if let (Some(_), Source::Saved(_)) = (&arguments.clusters, &arguments.source) {
            return Err("--clusters is about the rows of a fit: it needs --data, not --load".into());
        }
        if let (Some(_), Source::Saved(_)) = (&arguments.columns, &arguments.source) {
            return Err("--columns is for a fit: it needs --data, not --load".into());
        }
        if draws.is_some() && arguments.impute.is_none() {
            return Err("--draws needs --impute too".into());
        }
        if arguments.given.is_some() && arguments.draw.is_none() {
            return Err("--given needs --samples and --out too".into());
        }
        arguments.check_eval()?;
        Ok(Some(arguments))
    }

    /// Rows to evaluate and what to do with them need each other.
    fn check_eval(&self) -> Outcome {
        let asked = [
            ("log-density-out", self.log_density.is_some()),
            ("predict", self.predict.is_some()),
            ("surprise", self.surprise.is_some()),
        ];
        match (asked.iter().find(|(_, asked)| *asked), &self.eval) {
            (Some((asked, _)), None) => Err(format!("--{asked} needs --eval too")),
            (None, Some(_)) => Err("--eval needs --log-density-out, --predict or --surprise too".into()),
            _ => Ok(()),
        }
    }

    /// What was seen, as numbers.
    pub(crate) fn seen(&self) -> Outcome<Vec<Seen>> {
        self.given.as_ref().map_or(Ok(Vec::new()), |list| read_seen(list))
    }

    fn inputs(&self) -> impl Iterator<Item = &Path> {
        let (Source::Data(Data { path: source, .. }) | Source::Saved(source)) = &self.source;
        let impute = self.impute.as_ref().map(|impute| impute.table.as_path());
        [source.as_path()].into_iter().chain(self.eval.as_deref()).chain(impute)
    }

    pub(crate) fn outputs(&self) -> impl Iterator<Item = &Path> {
        let draw = self.draw.iter().map(|(_, path)| path);
        let predict = self.predict.iter().map(|predict| &predict.out);
        let impute = self.impute.iter().map(|impute| &impute.out);
        let surprise = self.surprise.iter().filter_map(|surprise| match surprise {
            Surprise::Written(path) => Some(path),
            Surprise::Shown => None,
        });
        let clusters =
            self.clusters.iter().flat_map(|clusters| [&clusters.out].into_iter().chain(&clusters.plot));
        let answers = predict.chain(impute).chain(surprise).chain(clusters);
        draw.chain(&self.log_density).chain(answers).chain(&self.plot).chain(&self.save).map(PathBuf::as_path)
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

/// Whether what follows is another option, or nothing.
fn next_is_option(parser: &mut lexopt::Parser) -> bool {
    let next = parser.try_raw_args();
    next.is_some_and(|left| left.peek().is_none_or(|next| next.as_encoded_bytes().starts_with(b"--")))
}

/// `A=3.2,B=1.0±0.1`.
fn read_seen(list: &str) -> Outcome<Vec<Seen>> {
    let read = |item: &str| {
        let error = || format!("--given: \"{item}\" is not like A=3.2 or A=3.2±0.1");
        let (column, value) = item.rsplit_once('=').ok_or_else(error)?;
        let (value, std) = match value.split_once('±').or_else(|| value.split_once("+-")) {
            Some((value, std)) => (value, std),
            None => (value, "0"),
        };
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        match (number(value), number(std)) {
            (Some(value), Some(std)) if std >= 0.0 => {
                Ok(Seen { column: column.trim().to_owned(), value, std })
            }
            _ => Err(error()),
        }
    };
    list.split(',').map(read).collect()
}

/// `X=X_ERR,Y=Y_ERR`.
fn read_errors(list: &str) -> Outcome<Vec<(String, String)>> {
    let read = |item: &str| match item.split_once('=') {
        Some((column, std)) if !column.trim().is_empty() && !std.trim().is_empty() => {
            Ok((column.trim().to_owned(), std.trim().to_owned()))
        }
        _ => Err(format!("--errors: \"{item}\" is not like X=X_ERR")),
    };
    list.split(',').map(read).collect()
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
            if given.has(option) && option != "column" {
                return Err(format!("--{option} is given twice"));
            }
            // Two options have no value, and that of another may be left out.
            let left_out = option == "missing"
                || option == "detect"
                || option == "surprise" && next_is_option(&mut parser);
            let value = if left_out { Ok(OsString::new()) } else { parser.value() };
            given.0.push((option, value.map_err(|_| format!("--{option} needs a value"))?));
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

    fn text(&mut self, option: &str) -> Outcome<Option<String>> {
        let Some(value) = self.take(option) else { return Ok(None) };
        value.into_string().map(Some).map_err(|value| format!("--{option} is not UTF-8: {}", value.display()))
    }

    /// Of an option that may be given several times.
    fn texts(&mut self, option: &str) -> Outcome<Vec<String>> {
        let mut all = Vec::new();
        while let Some(index) = self.0.iter().position(|(name, _)| *name == option) {
            let value = self.0.remove(index).1;
            let value = value.into_string();
            all.push(value.map_err(|value| format!("--{option} is not UTF-8: {}", value.display()))?);
        }
        Ok(all)
    }

    fn clustering(&mut self) -> Outcome<Option<Clustering>> {
        let count = self.number("cluster-count", "a whole number of at least 1", |k: &u64| *k >= 1)?;
        let inside = |mass: &f64| *mass > 0.0 && *mass < 1.0;
        let outliers = self.number("outliers", "a number between 0 and 1", inside)?;
        let plot = self.path("clusters-plot");
        match self.path("clusters") {
            Some(out) => Ok(Some(Clustering { out, count: count.map(|k| k as usize), outliers, plot })),
            None if count.is_some() => Err("--cluster-count needs --clusters too".into()),
            None if outliers.is_some() => Err("--outliers needs --clusters too".into()),
            None if plot.is_some() => Err("--clusters-plot needs --clusters too".into()),
            None => Ok(None),
        }
    }

    fn prediction(&mut self) -> Outcome<Option<Prediction>> {
        let quantiles = self.text("quantiles")?;
        let column = ("predict", self.text("predict")?);
        let Some((column, out)) = both(column, ("predictions-out", self.path("predictions-out")))? else {
            return match quantiles {
                Some(_) => Err("--quantiles needs --predict too".into()),
                None => Ok(None),
            };
        };
        let probability = |text: &str| match text.trim().parse::<f64>() {
            Ok(p) if p > 0.0 && p < 1.0 => Ok(p),
            _ => Err(format!("--quantiles: {text} is not a number between 0 and 1")),
        };
        let quantiles = quantiles.map_or(Ok(Vec::new()), |list| list.split(',').map(probability).collect());
        Ok(Some(Prediction { column, quantiles: quantiles?, out }))
    }

    fn surprise(&mut self) -> Option<Surprise> {
        let path = self.path("surprise")?;
        Some(if path.as_os_str().is_empty() { Surprise::Shown } else { Surprise::Written(path) })
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
