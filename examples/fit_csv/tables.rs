//! Tables whose columns are what they are: read with their labels and empty cells, learned, and written in their own form.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use csv::{ReaderBuilder, Trim};
use gmix_diffusion::rand::{Rng, rngs::StdRng};
use gmix_diffusion::{Columns, DiffusionLearner, Table, TableColumn, TableModel};

use super::arguments::{Arguments, Data, Prediction, Source};
use super::support::output::write_together;
use super::{Outcome, at, show};

/// How a saved model of a table begins.
const SAVED: &str = "{\"format\":\"gmix-diffusion table\"";

/// The law of the table that the arguments name, or `None` where that is one of numbers alone.
pub(crate) fn learned(arguments: &Arguments, rng: &mut StdRng) -> Outcome<Option<TableModel>> {
    match &arguments.source {
        Source::Data(data) if data.detect || has_labels(data, arguments.columns.as_deref()) => {
            check(arguments, data)?;
            fit(data, arguments.columns.as_deref(), rng).map(Some)
        }
        Source::Data(_) => Ok(None),
        Source::Saved(path) => {
            // A file that cannot be read is an error where one of numbers is expected.
            let content = std::fs::read(path).unwrap_or_default();
            if !content.starts_with(SAVED.as_bytes()) {
                return Ok(None);
            }
            serde_json::from_slice(&content).map(Some).map_err(|error| at(path)(error.to_string()))
        }
    }
}

/// Whether a column to be learned has no number, but texts that repeat: no law of numbers alone is asked for. Texts that
/// are all different are numbers in a form that is not read; these, and a table that cannot be read, are left to those who
/// say why.
fn has_labels(data: &Data, wanted: Option<&[String]>) -> bool {
    let is_number = |cell: &String| cell.parse::<f64>().is_ok();
    let no_number = |column: &TableColumn| match column {
        TableColumn::Labels(cells) => {
            let seen: Vec<&String> = cells.iter().flatten().collect();
            let different: BTreeSet<&String> = seen.iter().copied().collect();
            !seen.is_empty() && 2 * different.len() <= seen.len() && !seen.into_iter().any(is_number)
        }
        _ => false,
    };
    // The first row tells most tables of numbers, however long.
    let first = ReaderBuilder::new()
        .trim(Trim::All)
        .from_path(&data.path)
        .ok()
        .and_then(|mut reader| reader.records().next()?.ok());
    first.is_some_and(|row| row.iter().any(|cell| cell.parse::<f64>().is_err()))
        && read(&data.path, wanted, &|_| false).is_ok_and(|table| table.columns().iter().any(no_number))
}

/// Some questions are asked of numbers alone.
fn check(arguments: &Arguments, data: &Data) -> Outcome {
    let asked = [
        ("errors", !data.errors.is_empty()),
        ("component-std", data.component_std.is_some()),
        ("plot", arguments.plot.is_some()),
        ("clusters", arguments.clusters.is_some()),
        ("surprise", arguments.surprise.is_some()),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((option, _)) => {
            Err(format!("--{option} is for columns of numbers as they are, without --detect and labels"))
        }
        None => Ok(()),
    }
}

fn fit(data: &Data, wanted: Option<&[String]>, rng: &mut impl Rng) -> Outcome<TableModel> {
    let mut said = Vec::new();
    for column in &data.columns {
        let (name, text) = column
            .split_once(':')
            .ok_or_else(|| format!("--column: \"{column}\" is not like \"price: above 0, step 0.01\""))?;
        let column = text.parse().map_err(|error| format!("--column: {error}"))?;
        said.push((name.trim(), column));
    }
    let labels = |name: &str| {
        said.iter().any(|(own, column): &(&str, gmix_diffusion::Column)| *own == name && column.is_labels())
    };
    let table = read(&data.path, wanted, &labels)?;
    let failed = |error: gmix_diffusion::Error| at(&data.path)(error.to_string());
    let mut columns = Columns::detect(&table).map_err(failed)?;
    for (name, column) in said {
        columns = columns.with(name, column).map_err(|error| format!("--column: {error}"))?;
    }
    DiffusionLearner::new().fit_table_as(&table, &columns, rng).map_err(failed)
}

/// The table in a file: columns are numbers where every cell is one or empty, and labels otherwise.
fn read(path: &Path, wanted: Option<&[String]>, is_labels: &dyn Fn(&str) -> bool) -> Outcome<Table> {
    let fail = |what: String| at(path)(what);
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut reader =
        ReaderBuilder::new().trim(Trim::All).flexible(true).from_reader(text.trim_end().as_bytes());
    let names: Vec<String> =
        reader.headers().map_err(|error| fail(error.to_string()))?.iter().map(String::from).collect();
    let mut cells: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.map_err(|error| fail(error.to_string()))?;
        if record.len() != names.len() {
            let line = record.position().map_or(0, csv::Position::line);
            let what = format!(
                "line {line}: expected {} cells as in the header, found {}",
                names.len(),
                record.len()
            );
            return Err(fail(what));
        }
        record.iter().zip(&mut cells).for_each(|(cell, column)| column.push(cell.to_owned()));
    }
    if cells.first().is_none_or(Vec::is_empty) {
        return Err(fail("there are no rows below the header".into()));
    }
    let mut table = Table::new();
    for name in wanted.unwrap_or(&names) {
        let Some(place) = names.iter().position(|own| own == name) else {
            return Err(fail(format!("line 1: there is no column {name}, but {}", names.join(", "))));
        };
        table = table
            .with(name, column(&cells[place], is_labels(name)))
            .map_err(|error| fail(error.to_string()))?;
    }
    Ok(table)
}

fn is_empty(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "NaN" | "nan")
}

fn column(cells: &[String], labels: bool) -> TableColumn {
    let number = |cell: &String| match cell.parse::<f64>() {
        _ if is_empty(cell) => Some(f64::NAN),
        Ok(number) if number.is_finite() => Some(number),
        _ => None,
    };
    let numbers: Option<Vec<f64>> = if labels { None } else { cells.iter().map(number).collect() };
    match numbers {
        Some(numbers) => TableColumn::Numbers(numbers),
        None => {
            TableColumn::Labels(cells.iter().map(|cell| (!is_empty(cell)).then(|| cell.clone())).collect())
        }
    }
}

fn to_csv(tables: &[&Table]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut writer = csv::Writer::from_writer(&mut content);
    for (index, table) in tables.iter().enumerate() {
        if index == 0 {
            writer.write_record(table.names())?;
        }
        for row in 0..table.n_rows() {
            writer.write_record((0..table.names().len()).map(|column| table.text(row, column)))?;
        }
    }
    writer.flush()?;
    drop(writer);
    Ok(content)
}

/// The columns of `model` that a file has, whatever others there are.
fn read_for(model: &TableModel, path: &Path) -> Outcome<Table> {
    let names = model.columns().names();
    let is_labels = |name: &str| model.columns().column(name).is_some_and(|column| column.is_labels());
    let all = read(path, None, &is_labels)?;
    let own: Vec<String> = names.iter().filter(|name| all.position(name).is_some()).cloned().collect();
    read(path, Some(&own), &is_labels)
}

/// `A=3.2,kind=large`.
fn read_given(model: &TableModel, list: &str) -> Outcome<Table> {
    let mut seen = Table::new();
    for item in list.split(',') {
        let fail = || format!("--given: \"{item}\" is not like A=3.2 or kind=large");
        let (name, value) = item.rsplit_once('=').ok_or_else(fail)?;
        let (name, value) = (name.trim(), value.trim());
        let known = model.columns().column(name);
        let known = known.ok_or_else(|| format!("--given: there is no column {name}"))?;
        let column = if known.is_labels() {
            TableColumn::Labels(vec![Some(value.to_owned())])
        } else {
            TableColumn::Numbers(vec![value.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(fail)?])
        };
        seen = seen.with(name, column).map_err(|error| format!("--given: {error}"))?;
    }
    Ok(seen)
}

fn predicted(
    model: &TableModel,
    rows: &Table,
    ask: &Prediction,
    rng: &mut StdRng,
) -> gmix_diffusion::Result<Table> {
    let labels = model.columns().column(&ask.column).is_some_and(|column| column.is_labels());
    let mut table = Table::new();
    if labels {
        let (names, probabilities) = model.probabilities(rows, &ask.column)?;
        for (name, column) in names.iter().zip(probabilities.column_iter()) {
            table = table.with_numbers(name, column.iter().copied().collect::<Vec<_>>().as_slice())?;
        }
        return Ok(table);
    }
    let answers = model.predict(rows, &ask.column, &ask.quantiles, rng)?;
    table =
        table.with_numbers("mean", answers.mean.as_slice())?.with_numbers("sd", answers.std.as_slice())?;
    table = table.with_numbers("log_density", answers.log_density.as_slice())?;
    for (p, values) in ask.quantiles.iter().zip(&answers.quantiles) {
        table = table.with_numbers(&format!("q{p}"), values.as_slice())?;
    }
    Ok(table)
}

/// Answers what is asked of `model`.
pub(crate) fn answer(arguments: &Arguments, model: &TableModel, rng: &mut StdRng) -> Outcome {
    if arguments.surprise.is_some() {
        return Err("--surprise is for columns of numbers as they are, without --detect".into());
    }
    let said = |error: gmix_diffusion::Error| error.to_string();
    let mut files = Vec::new();
    if let Some((n, path)) = &arguments.draw {
        let drawn = match &arguments.given {
            None => model.sample(*n, rng).map_err(said)?,
            Some(list) => model
                .sample_given(&read_given(model, list)?, *n, rng)
                .map_err(|error| format!("--given: {error}"))?,
        };
        files.push((path, to_csv(&[&drawn]).map_err(at(path))?));
    }
    if let Some(eval) = &arguments.eval {
        let rows = read_for(model, eval)?;
        if let Some(path) = &arguments.log_density {
            let logs = model.log_density(&rows).map_err(at(eval))?;
            let table = Table::new().with_numbers("log_density", logs.as_slice()).map_err(said)?;
            files.push((path, to_csv(&[&table]).map_err(at(path))?));
        }
        if let Some(ask) = &arguments.predict {
            let table = predicted(model, &rows, ask, rng).map_err(|error| format!("--predict: {error}"))?;
            files.push((&ask.out, to_csv(&[&table]).map_err(at(&ask.out))?));
        }
    }
    if let Some(impute) = &arguments.impute {
        let rows = read_for(model, &impute.table)?;
        let tables = model.impute(&rows, impute.draws.max(1), rng).map_err(at(&impute.table))?;
        files.push((&impute.out, to_csv(&tables.iter().collect::<Vec<_>>()).map_err(at(&impute.out))?));
    }
    if let Some(path) = &arguments.save {
        files.push((path, serde_json::to_vec(model).map_err(at(path))?));
    }
    show(&format!("{}\n{}\n", model.columns(), model.report()))?;
    let files: Vec<_> = files.iter().map(|(path, content)| (path.as_path(), content.as_slice())).collect();
    write_together(&files).map_err(|(path, cause)| at(path)(cause))
}
